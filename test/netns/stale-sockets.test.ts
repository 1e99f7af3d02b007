// SPDX-License-Identifier: Apache-2.0
// UDP sockets that are connected to a backend that is gone are destroyed, and no others (semantics 1.20):
// in every network namespace, of either family, whatever their owner is doing. The tables are hand-made, so
// that nobody else destroys anything.

import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { insideNetns } from '../../agent/sys/libbpf/netns.ts';
import { Pins } from '../../agent/sys/pins.ts';
import {
  type DestroyMethod,
  type DestroyReport,
  StaleSockets,
} from '../../agent/sys/stale-sockets.ts';
import { hasKernel, requireKernel } from '../helpers/requirements.ts';
import { addNamespaces, configureNamespace, namespacePath } from '../lab/netns.ts';
import type { Place } from '../lab/spawn-inside.ts';
import { until } from '../lab/until.ts';
import { HandMadeServices } from './hand-made-services.ts';
import { targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';
import { NETWORK, type TestNode } from './test-node.ts';

/** Leads to LEAVING and LEAVING6. */
const WEB = '10.96.0.1';
const WEB6 = 'fd00:10:96::1';
/** Leads to STAYING. */
const OTHER = '10.96.0.2';

const LEAVING = '10.244.1.1';
const LEAVING6 = 'fd00:10:244::1';
const STAYING = '10.244.1.2';

/** Service ports. */
const WEB_UDP = 1;
const WEB_TCP = 2;
const OTHER_UDP = 3;

let services: HandMadeServices;
/** One on the node, one in each of two pods. */
let probes: readonly SocketProbe[];
let namespace: number;

const node = nodeForFile(test, async (made) => {
  services = new HandMadeServices(made);
  const pods = await makePods(made, 2);
  await startBackends(made);
  probes = await Promise.all([made, ...pods].map((place) => SocketProbe.start(made, place)));
  namespace = openSync(namespacePath(made.namespace), 'r');
  services.lead(WEB_UDP, 'UDP', WEB, LEAVING);
  services.lead(WEB_UDP, 'UDP', WEB6, LEAVING6);
  services.lead(WEB_TCP, 'TCP', WEB, LEAVING);
  services.lead(OTHER_UDP, 'UDP', OTHER, STAYING);
  services.addMember(OTHER_UDP, STAYING);
});
test.after.always(() => {
  services?.close();
  if (namespace !== undefined) closeSync(namespace);
});

test.beforeEach(() => {
  if (!services) return;
  services.addMember(WEB_UDP, LEAVING);
  services.addMember(WEB_UDP, LEAVING6);
});

/** Rows of tests: each method does the same. */
function forEachMethod(
  title: string,
  body: (t: ExecutionContext, method: DestroyMethod) => Promise<void>,
): void {
  for (const method of ['iterator', 'sock_diag'] as const) {
    test.serial(`${method}: ${title}`, async (t) => {
      if (!canMakeNodes(t)) return;
      if (method === 'iterator' && !requireKernel(t, 'bpf_sock_destroy')) return;
      await body(t, method);
    });
  }
}

const ALL_GONE = { problems: [] } as const;

forEachMethod('sockets of each family in each network namespace', async (t, method) => {
  const sockets: { socket: ProbeSocket; service: string }[] = [];
  for (const probe of probes) {
    for (const [family, host, service] of [
      [4, WEB, `${WEB}:80`],
      [6, WEB6, `[${WEB6}]:80`],
      [6, `::ffff:${WEB}`, `[::ffff:${WEB}]:80`],
    ] as const) {
      const socket = await connected(t, probe, host, family);
      sockets.push({ socket, service });
    }
  }
  t.deepEqual(destroyAll(t, method), { found: 0, destroyed: 0, namespaces: 0, ...ALL_GONE });
  for (const { socket, service } of sockets) t.is(await socket.peer(), service);

  services.removeMember(WEB_UDP, LEAVING);
  services.removeMember(WEB_UDP, LEAVING6);
  t.deepEqual(destroyAll(t, method), { found: 9, destroyed: 9, namespaces: 3, ...ALL_GONE });
  for (const { socket } of sockets) {
    t.is(await socket.peer(), 'ENOTCONN');
    t.is(await socket.send('?'), 'EDESTADDRREQ');
  }
  t.deepEqual(destroyAll(t, method), { found: 0, destroyed: 0, namespaces: 0, ...ALL_GONE });
});

forEachMethod('who waits for an answer is woken, and may dial again', async (t, method) => {
  const probe = await SocketProbe.start(node());
  t.teardown(() => probe.close());
  const socket = await connected(t, probe, WEB);
  const waiting = t.throwsAsync(socket.receive(), { message: /: ECONNABORTED$/ });
  // The first argument of the call that it is in: 0 is its standard input.
  await until('the probe waits on its socket', () =>
    /^\d+ 0x[1-9a-f]/.test(readFileSync(`/proc/${probe.pid}/syscall`, 'utf8')),
  );
  services.removeMember(WEB_UDP, LEAVING);
  t.like(destroyAll(t, method), { found: 1, destroyed: 1 });
  await waiting;
  t.is(await socket.connect(OTHER, 80), '');
  t.is(await socket.ask(), `${targetAt(STAYING)} as ${OTHER}:80`);
});

forEachMethod('a socket that only sends is told', async (t, method) => {
  const [probe] = probes as [SocketProbe];
  const socket = await connected(t, probe, WEB);
  for (let i = 0; i < 3; i++) t.is(await socket.send('metric'), '');
  services.removeMember(WEB_UDP, LEAVING);
  t.like(destroyAll(t, method), { found: 1, destroyed: 1 });
  t.is(await socket.send('metric'), 'EDESTADDRREQ');
});

forEachMethod('a socket that is bound to an address and a port', async (t, method) => {
  const [probe] = probes as [SocketProbe];
  const socket = await probe.open('udp', 4);
  t.teardown(() => socket.close());
  t.is(await socket.bind('10.244.255.1', 5353), '');
  t.is(await socket.connect(WEB, 80), '');
  services.removeMember(WEB_UDP, LEAVING);
  t.like(destroyAll(t, method), { found: 1, destroyed: 1 });
  t.is(await socket.peer(), 'ENOTCONN');
  t.is(await socket.own(), '10.244.255.1:5353');
});

forEachMethod('a socket that is bound to a device', async (t, method) => {
  const [probe] = probes as [SocketProbe];
  const socket = await probe.open('udp', 6);
  t.teardown(() => socket.close());
  t.is(await socket.bindToDevice('lo'), '');
  t.is(await socket.connect(WEB6, 80), '');
  services.removeMember(WEB_UDP, LEAVING6);
  t.like(destroyAll(t, method), { found: 1, destroyed: 1 });
  t.is(await socket.peer(), 'ENOTCONN');
});

forEachMethod('what is not connected to a backend that is gone stays', async (t, method) => {
  const [probe] = probes as [SocketProbe];
  const stale = await connected(t, probe, WEB);
  const serving = await connected(t, probe, OTHER);
  const tcp = await probe.open('tcp', 4);
  t.is(await tcp.connect(WEB, 80), '');
  t.is((await tcp.receive()).data, targetAt(LEAVING));
  const plain = await probe.open('udp', 4);
  t.is(await plain.connect(LEAVING, 8080), '');
  const unconnected = await probe.open('udp', 4);
  t.is(await unconnected.askAt(WEB, 80), `${targetAt(LEAVING)} as ${WEB}:80`);
  const moved = await connected(t, probe, WEB);
  t.is(await moved.connect(OTHER, 80), '');
  const direct = await connected(t, probe, WEB);
  t.is(await direct.connect(LEAVING, 8080), '');
  const elsewhere = await connected(t, probe, WEB);
  t.is(await elsewhere.connect('10.244.1.9', 8080), '');
  const disconnected = await connected(t, probe, WEB);
  t.is(await disconnected.disconnect(), '');

  services.removeMember(WEB_UDP, LEAVING);
  // Takes no new traffic any more, but serves what it has.
  services.addMember(OTHER_UDP, STAYING, false);
  t.deepEqual(destroyAll(t, method), { found: 1, destroyed: 1, namespaces: 1, ...ALL_GONE });
  t.is(await stale.peer(), 'ENOTCONN');
  t.is(await serving.ask(), `${targetAt(STAYING)} as ${OTHER}:80`);
  t.is(await tcp.send('alive'), '');
  t.is((await tcp.receive()).data, 'alive');
  t.is(await plain.ask(), `${targetAt(LEAVING)} as ${targetAt(LEAVING)}`);
  t.is(await moved.ask(), `${targetAt(STAYING)} as ${OTHER}:80`);
  t.is(await direct.ask(), `${targetAt(LEAVING)} as ${targetAt(LEAVING)}`);
  t.is(await elsewhere.ask(), `${targetAt('10.244.1.9')} as ${targetAt('10.244.1.9')}`);
  t.is(await disconnected.askAt(OTHER, 80), `${targetAt(STAYING)} as ${OTHER}:80`);
  t.is(await unconnected.askAt(WEB, 80), `${targetAt(LEAVING)} as ${WEB}:80`);
  for (const socket of [tcp, plain, unconnected]) await socket.close();
});

forEachMethod('more than one reading of the kernel holds', async (t, method) => {
  // A record has 72 bytes, and a reading 32 KiB at most.
  const COUNT = 600;
  const probe = await SocketProbe.start(node());
  t.teardown(() => probe.close());
  for (let i = 0; i < COUNT; i++) await (await probe.open('udp', 4)).connect(WEB, 80);
  services.removeMember(WEB_UDP, LEAVING);
  t.deepEqual(destroyAll(t, method), {
    found: COUNT,
    destroyed: COUNT,
    namespaces: 1,
    ...ALL_GONE,
  });
});

forEachMethod('a namespace without a process is reported', async (t, method) => {
  // Those that stay end with the probe, and the kernel forgets them a moment later (RCU).
  t.teardown(() => until('no socket is left', () => destroyAll(t).found === 0));
  const [pod] = await makePods(node(), 1);
  const probe = await SocketProbe.start(node(), pod);
  t.teardown(() => probe.close());
  const sockets = [await connected(t, probe, WEB), await connected(t, probe, WEB)];
  t.is(await probe.enter(namespacePath(node().namespace)), '');
  const near = await connected(t, probe, WEB);
  services.removeMember(WEB_UDP, LEAVING);
  const report = destroyAll(t, method);
  t.like(report, { found: 3, destroyed: 1, namespaces: 1 });
  t.is(report.problems.length, 1);
  t.regex(
    report.problems[0] ?? '',
    /^UDP sockets in network namespace \d+ stay with .*: no process of \/proc is in it$/,
  );
  t.deepEqual(destroyAll(t, method).problems, report.problems);
  t.is(await near.peer(), 'ENOTCONN');
  for (const socket of sockets) t.is(await socket.peer(), `${WEB}:80`);
});

test.serial(
  'unasked: by an iterator, by SOCK_DIAG where the kernel has no bpf_sock_destroy',
  (t) => {
    if (!canMakeNodes(t)) return;
    const sockets = StaleSockets.load(services.pins);
    t.teardown(() => sockets.close());
    t.is(sockets.method, hasKernel('bpf_sock_destroy') ? 'iterator' : 'sock_diag');
  },
);

test.serial('namespaces are found by another proc directory', async (t) => {
  if (!canMakeNodes(t)) return;
  const [probe] = probes as [SocketProbe];
  const socket = await connected(t, probe, WEB);
  services.removeMember(WEB_UDP, LEAVING);
  const procDirectory = path.join(node().directory, 'proc');
  mkdirSync(procDirectory);
  t.like(destroyAll(t, undefined, procDirectory), { found: 1, destroyed: 0, namespaces: 0 });
  symlinkSync(`/proc/${probe.pid}`, path.join(procDirectory, '1'));
  t.like(destroyAll(t, undefined, procDirectory), { found: 1, destroyed: 1, namespaces: 1 });
  t.is(await socket.peer(), 'ENOTCONN');
});

test.serial('a proc directory that is none is a problem, not a crash', async (t) => {
  if (!canMakeNodes(t)) return;
  const [probe] = probes as [SocketProbe];
  const socket = await connected(t, probe, WEB);
  services.removeMember(WEB_UDP, LEAVING);
  const { destroyed, problems } = destroyAll(t, undefined, '/nowhere');
  t.is(destroyed, 0);
  t.regex(problems.join(), /ENOENT.*\/nowhere/);
  t.is(await socket.peer(), `${WEB}:80`);
});

test.serial('tables that are not pinned cannot be worked with, and are not made', (t) => {
  if (!canMakeNodes(t)) return;
  const pins = new Pins(path.join(node().bpffs, 'other'));
  t.throws(() => StaleSockets.load(pins), { code: 'ENOENT' });
  t.false(existsSync(pins.directory));
});

/** Pods with the node's networks, in its cgroup. They end with it. */
async function makePods(made: TestNode, count: number): Promise<Place[]> {
  const names = Array.from(
    { length: count },
    () => `${made.namespace}-${randomUUID().slice(0, 4)}`,
  );
  await addNamespaces(names);
  for (const name of names) await configureNamespace(name, { commands: NETWORK });
  return names.map((name) => ({ namespace: name, cgroup: made.cgroup }));
}

/** A UDP socket that has dialled port 80 of `host`. */
async function connected(
  t: ExecutionContext,
  probe: SocketProbe,
  host: string,
  family: 4 | 6 = 4,
): Promise<ProbeSocket> {
  const socket = await probe.open('udp', family);
  t.teardown(() => socket.close());
  t.is(await socket.connect(host, 80), '');
  return socket;
}

/** What an agent on the node would do. */
function destroyAll(
  t: ExecutionContext,
  method?: DestroyMethod,
  procDirectory = '/proc',
): DestroyReport {
  const sockets = StaleSockets.load(services.pins, {
    procDirectory,
    ...(method && { method }),
  });
  try {
    if (method) t.is(sockets.method, method);
    return insideNetns(namespace, () => sockets.destroyAll());
  } finally {
    sockets.close();
  }
}
