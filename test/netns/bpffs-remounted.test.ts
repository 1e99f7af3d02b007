// SPDX-License-Identifier: Apache-2.0
// The BPF file system is unmounted under the agent and mounted again, while connections go on from sockets of the node and
// from a client outside: where the agent sees what the host does, and from a container, which keeps what it was given. In
// mount namespaces of their own: the machine's own file system stays as it is.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { faultTest } from '../faults/fault-test.ts';
import { finished } from '../lab/run-command.ts';
import { until } from '../lab/until.ts';
import { DisturbedClients, type DisturbedTarget } from './disturbed-clients.ts';
import { inBothFamilies } from './dual-stack.ts';
import { targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { AGENT_FLAGS, packetNetworkForFile } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { METRICS, repairsOf } from './repairs.ts';
import { SocketProbe } from './socket-probe.ts';

const NUMBER = 1;
const [BACKEND = ''] = LOCAL_PODS;
const WITHIN_MS = 60_000;

/** However many lie there on top of each other; then one, and who keeps the namespace. */
const PREPARE = `while umount /sys/fs/bpf 2>/dev/null; do :; done
  mount -t bpf -o mode=700 bpf /sys/fs/bpf && echo ready && exec sleep infinity`;

/** What a container's first process does. */
const STAY = 'echo ready && exec sleep infinity';

/** Keeps the mount namespace in which the file system is the host's, for these tests. */
let host: ChildProcess;

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', packetService(NUMBER, [BACKEND]));
  host = await mountNamespace([], PREPARE);
  node.agent.flags = [...AGENT_FLAGS, ...METRICS];
});

/** @returns the process that keeps a new one, with copies of the mounts that `from` sees. */
async function mountNamespace(from: readonly string[], script: string): Promise<ChildProcess> {
  const unshare = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script];
  const keeper = network().node.spawn([...from, ...unshare], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(keeper.stdout as NodeJS.ReadableStream, 'data');
  return keeper;
}

/** Starts a program in its mount namespace. */
function inside({ pid }: ChildProcess): string[] {
  return ['nsenter', `--mount=/proc/${pid}/ns/mnt`];
}

async function run(place: ChildProcess, ...argv: string[]) {
  return await finished(
    network().node.spawn([...inside(place), ...argv], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

async function signalbox(place: ChildProcess, subcommand: string) {
  const { node } = network();
  return await run(place, ...node.signalboxArgv(subcommand, '--bpffs', node.bpffs));
}

async function pins(place: ChildProcess): Promise<string> {
  return (await run(place, 'sh', '-c', `ls ${network().node.bpffs}/*`)).stdout;
}

/** From sockets of the node, and from outside. */
async function startClients(): Promise<DisturbedClients> {
  const { node, client } = network();
  const { clusterIP, loadBalancer, nodePort } = addressesOf(NUMBER);
  const clients = new DisturbedClients();
  const start = (place: typeof client) => SocketProbe.start(node, place);
  await clients.add(await start(node), await start(node), targets([clusterIP], SERVICE_PORT));
  await clients.add(await start(client), await start(client), [
    ...targets([loadBalancer], SERVICE_PORT),
    ...targets([NODE_IP], nodePort),
  ]);
  return clients;
}

/** Each in both families. */
function targets(addresses: readonly string[], port: number): DisturbedTarget[] {
  return addresses
    .flatMap((address) => inBothFamilies(address))
    .flatMap((address) =>
      (['tcp', 'udp', 'sendto'] as const).map((kind) => ({
        kind,
        address,
        port,
        lands: targetAt(BACKEND),
      })),
    );
}

faultTest(test, 'bpffs-remounted', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const { node } = network();
  node.agent.wrapper = inside(host);
  await node.agent.start();
  const before = await pins(host);
  t.regex(before, /tcx_ingress|clsact/);
  const { pid } = node.agent;
  const clients = await startClients();

  const repaired = await repairsOf(node, 'pins');
  t.is((await run(host, 'umount', '--lazy', '/sys/fs/bpf')).code, 0);
  await until(
    'it is told',
    async () =>
      /pins in .* are gone and cannot be made again/.test((await signalbox(host, 'status')).stdout),
    WITHIN_MS,
  );
  t.is((await run(host, 'mount', '-t', 'bpf', 'bpf', '/sys/fs/bpf')).code, 0);
  const mountedMs = performance.now();
  await until('all is pinned again', async () => (await pins(host)) === before, WITHIN_MS);
  const repairMs = Math.round(performance.now() - mountedMs);
  await until(
    'nothing is wrong',
    async () => (await signalbox(host, 'status')).code === 0,
    WITHIN_MS,
  );
  t.is(node.agent.pid, pid);
  t.is((await repairsOf(node, 'pins')) - repaired, countOf(before));

  // What is pinned is what is at work: it outlives the agent, and the next one finds it.
  await node.agent.end('SIGKILL');
  await node.agent.start();
  t.is(await pins(host), before);
  const { failures, ...figures } = await clients.end();
  report({ injections: 1, ...figures, repairMs });
  t.deepEqual(failures, []);
  t.true(figures.attempts > 0);
  t.is((await signalbox(host, 'status')).code, 0);
  await node.agent.end('SIGTERM');
});

faultTest(
  test,
  'bpffs-remounted',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    const { node } = network();
    const proc = mkdtempSync(path.join(tmpdir(), 'sblab-proc-'));
    t.teardown(() => rmSync(proc, { recursive: true }));
    mkdirSync(path.join(proc, '1'));
    symlinkSync(path.join('/proc', String(host.pid), 'root'), path.join(proc, '1/root'));
    const container = await mountNamespace(inside(host), STAY);
    const inContainer = (place: ChildProcess) => [
      ...inside(place),
      'env',
      `SIGNALBOX_PROC=${proc}`,
    ];
    node.agent.wrapper = inContainer(container);
    await node.agent.start();
    const before = await pins(container);
    t.is(await pins(host), before);
    const clients = await startClients();

    const repaired = await repairsOf(node, 'pins');
    t.is((await run(host, 'umount', '--lazy', '/sys/fs/bpf')).code, 0);
    t.is(await pins(container), before);
    await until(
      'it is told',
      async () =>
        /pins in .* are gone and cannot be made again/.test(
          (await signalbox(container, 'status')).stdout,
        ),
      WITHIN_MS,
    );
    t.is((await run(host, 'mount', '-t', 'bpf', 'bpf', '/sys/fs/bpf')).code, 0);
    const mountedMs = performance.now();
    await until('all is pinned on the host', async () => (await pins(host)) === before, WITHIN_MS);
    const repairMs = Math.round(performance.now() - mountedMs);
    await until(
      'nothing is wrong',
      async () => (await signalbox(container, 'status')).code === 0,
      WITHIN_MS,
    );
    t.is((await repairsOf(node, 'pins')) - repaired, countOf(before));

    // The container ends, and its mounts with it; the next one has what the host has now.
    await node.agent.end('SIGKILL');
    container.kill('SIGKILL');
    await once(container, 'exit');
    const next = await mountNamespace(inside(host), STAY);
    node.agent.wrapper = inContainer(next);
    await node.agent.start();
    t.is(await pins(next), before);
    const { failures, ...figures } = await clients.end();
    report({ injections: 1, ...figures, repairMs });
    t.deepEqual(failures, []);
    t.true(figures.attempts > 0);
  },
  'in a container',
);

/** Lines of `ls` that are no headings. */
function countOf(listing: string): number {
  return listing.split('\n').filter((line) => line !== '' && !line.endsWith(':')).length;
}
