// SPDX-License-Identifier: Apache-2.0
// Where TCP sockets have what they dialled: each at a place of its own or, where that is another's, with the
// socket itself. Whichever it is, each shows its Service; and places of sockets that are gone are used again.

import test from 'ava';
import { KernelMap } from '../../agent/sys/kernel-map.ts';
import { MAPS, type TcpDial } from '../../agent/sys/layout.gen.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { OTHER, SERVICES, WEB } from './socket-services.ts';
import { startBackends } from './start-backends.ts';

const MANY = 100;

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  made.write('services', SERVICES);
  await startBackends(made);
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

test.serial('TCP: places of sockets that are gone are used again', async (t) => {
  if (!canMakeNodes(t)) return;
  for (let time = 0; time < 3; time++) {
    const before = owners();
    const opened = await connectMany();
    const added = [...owners()].filter((cookie) => !before.has(cookie));
    t.true(added.length > MANY / 2, `${added.length} of ${MANY} have a place`);
    await closeAll(opened);
  }
});

test.serial('TCP: a socket whose place is an open one’s shows its Service, too', async (t) => {
  if (!canMakeNodes(t)) return;
  const before = owners();
  const open = await connectOne(WEB);
  const own = withDials((dials) => dials.entries()).find(([, { cookie }]) => !before.has(cookie));
  if (!own) throw new Error('the socket has no place');
  const [, dial] = own;
  // As if every other place had been its: only that it is open keeps others from taking it.
  withDials((dials) => {
    const all = dials.entries().map(([index]) => [index, dial] as const);
    t.deepEqual(dials.put(all), []);
  });
  const opened = await connectMany();
  t.deepEqual(await peers(opened), opened.map(hostOf));
  t.deepEqual(owners(), new Set([dial.cookie]));
  t.is(await open.peer(), `${WEB}:80`);
  await open.close();
  const later = await connectMany();
  t.true(owners().size > MANY / 2);
  t.deepEqual(await peers([...opened, ...later]), [...opened, ...later].map(hostOf));
  await closeAll([...opened, ...later]);
});

function withDials<R>(use: (dials: KernelMap<number, TcpDial>) => R): R {
  const pin = new Pins(node().bpffs).map(MAPS.tcpDials);
  const dials = new KernelMap(RawMap.openPin(pin), MAPS.tcpDials);
  try {
    return use(dials);
  } finally {
    dials.close();
  }
}

function owners(): Set<bigint> {
  return new Set(withDials((dials) => dials.entries()).map(([, { cookie }]) => cookie));
}

interface Opened {
  readonly host: string;
  readonly socket: ProbeSocket;
}

const hostOf = ({ host }: Opened) => `${host}:80`;

async function connectOne(host: string): Promise<ProbeSocket> {
  const socket = await probe.open('tcp', 4);
  const error = await socket.connect(host, 80);
  if (error !== '') throw new Error(`connect() to ${host}: ${error}`);
  return socket;
}

function connectMany(): Promise<Opened[]> {
  const hosts = Array.from({ length: MANY }, (_, i) => (i % 2 ? WEB : OTHER));
  return Promise.all(hosts.map(async (host) => ({ host, socket: await connectOne(host) })));
}

function peers(opened: readonly Opened[]): Promise<string[]> {
  return Promise.all(opened.map(({ socket }) => socket.peer()));
}

async function closeAll(opened: readonly Opened[]): Promise<void> {
  await Promise.all(opened.map(({ socket }) => socket.close()));
}
