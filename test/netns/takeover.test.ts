// SPDX-License-Identifier: Apache-2.0
// A node moves from rules like those of kube-proxy to Signalbox, and back, under traffic of every kind: nothing fails,
// and what is long goes on through all of it. For each of the three ways in which nodes have such rules.

import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { requireProgram } from '../helpers/requirements.ts';
import {
  KubeProxyRules,
  RULE_KINDS,
  type RuleKind,
} from '../lab/kube-proxy-rules/kube-proxy-rules.ts';
import { type CommandResult, finished } from '../lab/run-command.ts';
import { until } from '../lab/until.ts';
import { endpointsInBothFamilies, inBothFamilies, inIpv4Words } from './dual-stack.ts';
import { bothProtocols, kubeService, TARGET_PORT, targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { AGENT_FLAGS, PacketNetwork } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { startLateBackend } from './start-backends.ts';
import { SteadyTraffic } from './steady-traffic.ts';
import type { TrafficOrder } from './steady-traffic-client.ts';

const [POD = '', LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;

const OF_LOCAL = 1;
const OF_REMOTE = 2;
const OF_BOTH = 3;
/** Of UDP: whatever happens, somebody waits for an answer. */
const OF_LATE_LOCAL = 4;
const OF_LATE_REMOTE = 5;
const LATE_PORT = 9090;
const LATE_MS = 300;
const OBJECTS = [
  ...packetService(OF_LATE_LOCAL, [LOCAL], { targetPort: LATE_PORT }),
  ...packetService(OF_LATE_REMOTE, [REMOTE], { targetPort: LATE_PORT }),
  ...packetService(OF_LOCAL, [LOCAL]),
  ...packetService(OF_REMOTE, [REMOTE]),
  ...packetService(OF_BOTH, [LOCAL, REMOTE, OTHER_REMOTE]),
];

/** Chains of kubelet, and what of them leads there. */
const KUBELETS = /KUBE-(FIREWALL|KUBELET-CANARY|IPTABLES-HINT|MARK-DROP)/;

let network: PacketNetwork;

test.before(async (t) => {
  if (!canMakeNodes(t)) return;
  network = await PacketNetwork.create();
  for (const pod of [LOCAL, REMOTE]) await startLateBackend(network.pod(pod), LATE_PORT, LATE_MS);
  network.node.write('services', OBJECTS);
});
test.after.always(() => network?.close());

// First: later ones leave connections in conntrack.
test.serial(
  'who dialled an address before a Service had it is left alone, whatever becomes of the agent',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const { node } = network;
    t.teardown(() => node.write('services', OBJECTS));
    t.teardown(() => node.signalbox('cleanup'));
    t.teardown(() => node.agent.end('SIGKILL').catch(() => {}));
    const traffic = new SteadyTraffic();
    t.teardown(() => traffic.end());
    const order = { kind: 'connected', port: TARGET_PORT, count: 1 } as const;

    await node.agent.start();
    for (const host of inBothFamilies(LOCAL)) {
      await traffic.begin(network.pod(POD), 'before', { ...order, host });
    }
    await traffic.goesOn();
    const ports = bothProtocols(TARGET_PORT, endpointsInBothFamilies({ address: REMOTE }));
    const externalIPs = inBothFamilies(LOCAL);
    node.write('services', [
      ...OBJECTS,
      ...kubeService('late', inBothFamilies('10.96.0.77'), ports, { spec: { externalIPs } }),
    ]);
    await until('it is served', async () =>
      (await node.signalbox('services')).stdout.includes('late'),
    );
    await node.agent.end('SIGTERM');
    await node.agent.start();
    await traffic.goesOn();
    t.deepEqual(await traffic.failures(), []);
  },
);

// Before those that leave thousands in TIME_WAIT, with any port: kube-proxy’s rules have one or two to choose from here.
test.serial(
  'ports that kube-proxy masquerades with are no flow’s, nor the other way round',
  async (t) => {
    if (!canMakeNodes(t) || !canHaveRules(t, 'nftables')) return;
    const { node } = network;
    const rules = new KubeProxyRules(node, 'nftables');
    node.agent.flags = [...AGENT_FLAGS, '--masquerade-ports', '50000-50001'];
    t.teardown(() => {
      node.agent.flags = AGENT_FLAGS;
    });
    t.teardown(() => rules.clear());
    t.teardown(() => node.signalbox('cleanup'));
    t.teardown(() => node.agent.end('SIGKILL').catch(() => {}));
    const traffic = new SteadyTraffic();
    t.teardown(() => traffic.end());

    await rules.write(OBJECTS, '50000');
    await beginLong(traffic, 'kube-proxy');
    await traffic.goesOn();
    await node.agent.start();
    await beginLong(traffic, 'Signalbox');
    await traffic.goesOn();
    t.deepEqual(await portsSeen(traffic), [50000, 50000, 50001, 50001]);
    t.is((await node.signalbox('cleanup', '--kube-proxy')).code, 0);
    await traffic.end(/^kube-proxy/);

    await rules.write(OBJECTS, '50001-50002');
    await node.agent.end('SIGTERM');
    const draining = await beginDraining('1m');
    await beginLong(traffic, 'kube-proxy again');
    await traffic.goesOn();
    t.deepEqual(await portsSeen(traffic), [50001, 50001, 50002, 50002]);
    await traffic.end(/^Signalbox/);
    t.is((await draining.ended).code, 0);
    t.deepEqual((await traffic.end()).failures, []);
  },
);

for (const kind of RULE_KINDS) {
  test.serial(`${kind}: there and back`, async (t) => {
    if (!canMakeNodes(t) || !canHaveRules(t, kind)) return;
    const { node } = network;
    const rules = new KubeProxyRules(node, kind);
    await rules.writeKubelets();
    await rules.write(OBJECTS);
    t.teardown(() => rules.clear());
    t.teardown(() => node.agent.end('SIGKILL').catch(() => {}));
    const before = await rules.list();
    const traffic = new SteadyTraffic();
    t.teardown(() => traffic.end());

    await beginAll(traffic, 'since kube-proxy');
    await traffic.goesOn();
    t.deepEqual(await traffic.failures(), [], 'under kube-proxy’s rules');

    await node.agent.start();
    await traffic.goesOn();
    t.deepEqual(await traffic.failures(), [], 'the agent has started');
    t.regex(
      (await node.signalbox('status')).stdout,
      new RegExp(`still here: ${kind} \\(IPv4, IPv6\\)`),
    );

    const removal = await node.signalbox('cleanup', '--kube-proxy');
    t.is(removal.code, 0, removal.stderr);
    t.regex(removal.stdout, new RegExp(`removed [1-9]\\d* rules.*: ${kind} \\(IPv4\\)`));
    t.regex(removal.stdout, /connections that it has translated go on: .*TCP/);
    const left = await rules.list();
    t.deepEqual(kubeProxyLines(left), []);
    t.deepEqual(kubeletLines(left), kubeletLines(before));
    await traffic.goesOn();
    t.deepEqual(await traffic.failures(), [], 'kube-proxy’s rules are gone');

    await beginAll(traffic, 'since Signalbox');
    await traffic.goesOn();
    t.deepEqual(await traffic.failures(), [], 'Signalbox serves alone');

    // The way back is the same for both forms of iptables.
    if (kind === 'iptables-nft') {
      t.deepEqual((await traffic.end()).failures, []);
      await node.agent.end('SIGTERM');
      await node.signalbox('cleanup');
      return;
    }
    await rules.write(OBJECTS);
    await node.agent.end('SIGTERM');
    const draining = await beginDraining('6s');
    await traffic.goesOn();
    await traffic.end(/since Signalbox.*: long/);
    const drained = await draining.ended;
    t.is(drained.code, 0, drained.stderr);
    t.regex(draining.said, /connections that go on: [1-9]\d* TCP.*; waiting for \ds at most/);
    // Of UDP no end is known but silence.
    t.regex(drained.stdout, /after 6s, connections that go on: \d+ UDP; they end now/);
    t.regex(drained.stdout, /removed .*frontends/s);
    await traffic.goesOn();
    const { exchanges, connections, failures } = await traffic.end();
    t.log(`${connections} connections, ${exchanges} exchanges, ${failures.length} failed`);
    t.deepEqual(failures, [], 'kube-proxy’s rules serve again');
    t.false((await rules.list()).includes('signalbox'));
  });
}

/** @returns once it has said what goes on. */
async function beginDraining(
  timeout: string,
): Promise<{ readonly said: string; readonly ended: Promise<CommandResult> }> {
  const { node } = network;
  const args = ['--drain', '--drain-timeout', timeout, '--bpffs', node.bpffs];
  const child = node.spawn(node.signalboxArgv('cleanup', ...args), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = finished(child);
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { said: String(said), ended };
}

/** By a nodePort to a backend of the other node, of both families. */
async function beginLong(traffic: SteadyTraffic, name: string): Promise<void> {
  const { nodePort } = addressesOf(OF_REMOTE);
  for (const host of inBothFamilies(NODE_IP)) {
    await traffic.begin(network.client, name, { kind: 'long', host, port: nodePort, count: 1 });
  }
}

async function portsSeen(traffic: SteadyTraffic): Promise<number[]> {
  const [failure] = await traffic.failures();
  if (failure !== undefined) throw new Error(failure);
  const reports = await traffic.reports();
  return reports.flatMap(({ seenAs }) => seenAs.map((text) => Number(text.split(':').at(-1))));
}

test.serial('UDP of before is told when nobody translates it any more', async (t) => {
  if (!canMakeNodes(t) || !canHaveRules(t, 'nftables')) return;
  const { node } = network;
  const rules = new KubeProxyRules(node, 'nftables');
  t.teardown(() => node.write('services', OBJECTS));
  t.teardown(() => rules.clear().catch(() => {}));
  t.teardown(() => node.signalbox('cleanup'));
  t.teardown(() => node.agent.end('SIGKILL').catch(() => {}));
  const traffic = new SteadyTraffic();
  t.teardown(() => traffic.end());
  const order = { kind: 'connected', port: SERVICE_PORT, count: 1 } as const;
  const hosts = inBothFamilies(addressesOf(OF_LOCAL).clusterIP);

  await rules.write(OBJECTS);
  for (const host of hosts) await traffic.begin(network.pod(POD), 'before', { ...order, host });
  await traffic.goesOn();
  await node.agent.start();
  t.is((await node.signalbox('cleanup', '--kube-proxy')).code, 0);
  await traffic.goesOn();
  t.deepEqual(await traffic.failures(), []);

  node.write('services', packetService(OF_LOCAL, [REMOTE]));
  await until('they are told', async () => (await traffic.failures()).length === hosts.length);
  const { failures } = await traffic.end();
  for (const failure of failures) t.regex(failure, /ECONNABORTED/);

  for (const host of hosts) await traffic.begin(network.pod(POD), 'after', { ...order, host });
  await traffic.goesOn();
  const reports = await traffic.reports();
  t.deepEqual(
    reports.map(({ backends: [backend = ''] }) => inIpv4Words(backend)),
    hosts.map(() => targetAt(REMOTE)),
  );
  t.deepEqual((await traffic.end()).failures, []);
});

function canHaveRules(t: ExecutionContext, kind: RuleKind): boolean {
  return requireProgram(t, 'nft') && requireProgram(t, programOf(kind));
}

function programOf(kind: RuleKind): string {
  return kind === 'nftables' ? 'nft' : `${kind}-restore`;
}

/** Everything of both families that a node is used for. */
async function beginAll(traffic: SteadyTraffic, since: string): Promise<void> {
  const { node, client } = network;
  const pod = network.pod(POD);
  const begin = (place: typeof client, from: string, orders: readonly TrafficOrder[]) =>
    Promise.all(orders.map((order) => traffic.begin(place, `${since}, from ${from}`, order)));
  await begin(pod, 'a pod', [
    ...everyKind(addressesOf(OF_LOCAL).clusterIP, SERVICE_PORT),
    ...everyKind(addressesOf(OF_BOTH).clusterIP, SERVICE_PORT),
    ...streamed(addressesOf(OF_LATE_REMOTE).clusterIP, SERVICE_PORT),
  ]);
  await begin(node, 'the node', everyKind(addressesOf(OF_REMOTE).clusterIP, SERVICE_PORT));
  await begin(client, 'outside', [
    ...everyKind(NODE_IP, addressesOf(OF_LOCAL).nodePort),
    ...everyKind(NODE_IP, addressesOf(OF_REMOTE).nodePort),
    ...everyKind(addressesOf(OF_BOTH).external, SERVICE_PORT),
    ...streamed(NODE_IP, addressesOf(OF_LATE_LOCAL).nodePort),
    ...streamed(NODE_IP, addressesOf(OF_LATE_REMOTE).nodePort),
  ]);
}

function everyKind(address: string, port: number): TrafficOrder[] {
  return inBothFamilies(address).flatMap((host) => [
    { kind: 'long', host, port, count: 2 },
    { kind: 'short', host, port, count: 10 },
    { kind: 'connected', host, port, count: 1 },
    { kind: 'unconnected', host, port, count: 1 },
  ]);
}

function streamed(address: string, port: number): TrafficOrder[] {
  return inBothFamilies(address).map((host) => ({ kind: 'streamed', host, port, count: 1 }));
}

function kubeProxyLines(rules: string): string[] {
  return rules.split('\n').filter((line) => /kube-proxy|KUBE-/.test(line) && !KUBELETS.test(line));
}

function kubeletLines(rules: string): string[] {
  return rules.split('\n').filter((line) => KUBELETS.test(line) && !line.startsWith('#'));
}
