// SPDX-License-Identifier: Apache-2.0
// The BPF file system is unmounted under the agent and mounted again, while connections go on from sockets of the node and
// from a client outside. In a mount namespace of its own: the machine's own file system stays as it is.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
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

let holder: ChildProcess;

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', packetService(NUMBER, [BACKEND]));
  const unshare = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', PREPARE];
  holder = node.spawn(unshare, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout as NodeJS.ReadableStream, 'data');
  node.agent.wrapper = inside();
  node.agent.flags = [...AGENT_FLAGS, ...METRICS];
});

/** Starts a program where the agent's BPF file system is. */
function inside(): string[] {
  return ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`];
}

async function run(...argv: string[]) {
  return await finished(
    network().node.spawn([...inside(), ...argv], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
}

async function signalbox(subcommand: string) {
  const { node } = network();
  return await run(...node.signalboxArgv(subcommand, '--bpffs', node.bpffs));
}

async function pins(): Promise<string> {
  return (await run('sh', '-c', `ls ${network().node.bpffs}/*`)).stdout;
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
  const { node, client } = network();
  await node.agent.start();
  const before = await pins();
  t.regex(before, /tcx_ingress|clsact/);
  const { pid } = node.agent;

  const { clusterIP, loadBalancer, nodePort } = addressesOf(NUMBER);
  const clients = new DisturbedClients();
  const start = (place: typeof client) => SocketProbe.start(node, place);
  await clients.add(await start(node), await start(node), targets([clusterIP], SERVICE_PORT));
  await clients.add(await start(client), await start(client), [
    ...targets([loadBalancer], SERVICE_PORT),
    ...targets([NODE_IP], nodePort),
  ]);

  const repaired = await repairsOf(node, 'pins');
  t.is((await run('umount', '--lazy', '/sys/fs/bpf')).code, 0);
  await until(
    'it is told',
    async () =>
      /pins in .* are gone and cannot be made again/.test((await signalbox('status')).stdout),
    WITHIN_MS,
  );
  t.is((await run('mount', '-t', 'bpf', 'bpf', '/sys/fs/bpf')).code, 0);
  const mountedMs = performance.now();
  await until('all is pinned again', async () => (await pins()) === before, WITHIN_MS);
  const repairMs = Math.round(performance.now() - mountedMs);
  await until('nothing is wrong', async () => (await signalbox('status')).code === 0, WITHIN_MS);
  t.is(node.agent.pid, pid);
  t.is((await repairsOf(node, 'pins')) - repaired, countOf(before));

  // What is pinned is what is at work: it outlives the agent, and the next one finds it.
  await node.agent.end('SIGKILL');
  await node.agent.start();
  t.is(await pins(), before);
  const { failures, ...figures } = await clients.end();
  report({ injections: 1, ...figures, repairMs });
  t.deepEqual(failures, []);
  t.true(figures.attempts > 0);
  t.is((await signalbox('status')).code, 0);
});

/** Lines of `ls` that are no headings. */
function countOf(listing: string): number {
  return listing.split('\n').filter((line) => line !== '' && !line.endsWith(':')).length;
}
