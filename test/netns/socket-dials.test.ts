// SPDX-License-Identifier: Apache-2.0
// Where sockets have what they dialled: each at a place of its own or, where that is another's, in other tables. Whichever
// it is, each shows its Service; and places of sockets that are gone are used again. Unconnected UDP: unconnected-udp.test.ts.

import test from 'ava';
import { finished } from '../lab/run-command.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { compileProgram } from './compile-program.ts';
import { placeOwners, takeEveryPlace } from './dial-places.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { LARGE, OTHER, SERVICES, WEB, WEB_BACKEND } from './socket-services.ts';
import { startBackends } from './start-backends.ts';

const MANY = 100;
/** Shares its backend with `web`. */
const TWIN = '10.96.0.6';
/** DIAL_BEING_TAKEN of abi.h */
const BEING_TAKEN = 2n ** 64n - 1n;

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  made.write('services', [
    ...SERVICES,
    ...kubeService('twin', [TWIN], bothProtocols(80, [WEB_BACKEND])),
  ]);
  await startBackends(made);
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

for (const kind of ['tcp', 'udp'] as const) {
  test.serial(`${kind}: places of sockets that are gone are used again`, async (t) => {
    if (!canMakeNodes(t)) return;
    for (let time = 0; time < 3; time++) {
      const before = placeOwners(node().bpffs);
      const opened = await dialMany(kind);
      const added = [...placeOwners(node().bpffs)].filter((cookie) => !before.has(cookie));
      t.true(added.length > MANY / 2, `${added.length} of ${MANY} have a place`);
      await closeAll(opened);
    }
  });
}

test.serial('TCP: a socket whose place is an open one’s shows its Service, too', async (t) => {
  if (!canMakeNodes(t)) return;
  const open = await takeEveryPlace(node().bpffs, probe, [WEB, 80]);
  const owner = placeOwners(node().bpffs);
  t.is(owner.size, 1);
  const opened = await dialMany('tcp');
  t.deepEqual(await peers(opened), opened.map(hostOf));
  t.deepEqual(placeOwners(node().bpffs), owner);
  t.is(await open.peer(), `${WEB}:80`);
  await open.close();
  const later = await dialMany('tcp');
  t.true(placeOwners(node().bpffs).size > MANY / 2);
  t.deepEqual(await peers([...opened, ...later]), [...opened, ...later].map(hostOf));
  await closeAll([...opened, ...later]);
});

test.serial('among many sockets that come and go each shows whom it dialled', async (t) => {
  if (!canMakeNodes(t)) return;
  const program = await compileProgram('socket-storm.c', node().directory);
  const targets = [WEB, TWIN, OTHER, LARGE].map((host) => `${host}:80`);
  const argv = [program, '1500', '100', ...targets, targetAt(WEB_BACKEND)];
  const child = spawnInside(node(), argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const { stdout } = await finished(child);
  const { tcp, udp, wrong, first, lost } = JSON.parse(stdout);
  t.log({ tcp, udp, lost });
  t.is(wrong, 0, first);
  t.true(tcp > 0 && udp > 0);
  // Every place can be had: none was left half taken.
  t.false(placeOwners(node().bpffs).has(BEING_TAKEN));
});

interface Opened {
  readonly host: string;
  readonly socket: ProbeSocket;
}

const hostOf = ({ host }: Opened) => `${host}:80`;

/** TCP connects, UDP sends a datagram. */
function dialMany(kind: 'tcp' | 'udp'): Promise<Opened[]> {
  const hosts = Array.from({ length: MANY }, (_, i) => (i % 2 ? WEB : OTHER));
  return Promise.all(
    hosts.map(async (host) => {
      const socket = await probe.open(kind, 4);
      const errno = await (kind === 'tcp' ? socket.connect(host, 80) : socket.sendTo([host, 80]));
      if (errno !== '') throw new Error(`${kind} to ${host}: ${errno}`);
      return { host, socket };
    }),
  );
}

function peers(opened: readonly Opened[]): Promise<string[]> {
  return Promise.all(opened.map(({ socket }) => socket.peer()));
}

async function closeAll(opened: readonly Opened[]): Promise<void> {
  await Promise.all(opened.map(({ socket }) => socket.close()));
}
