// SPDX-License-Identifier: Apache-2.0
// A node moves from rules like those of kube-proxy to Signalbox, and back, under traffic of every kind: nothing fails,
// and what is long goes on through all of it. For each of the three ways in which nodes have such rules.

import test, { type ExecutionContext } from 'ava';
import { requireProgram } from '../helpers/requirements.ts';
import {
  KubeProxyRules,
  RULE_KINDS,
  type RuleKind,
} from '../lab/kube-proxy-rules/kube-proxy-rules.ts';
import { inBothFamilies } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { PacketNetwork } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { SteadyTraffic } from './steady-traffic.ts';
import type { TrafficOrder } from './steady-traffic-client.ts';

const [POD = '', LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;

const OF_LOCAL = 1;
const OF_REMOTE = 2;
const OF_BOTH = 3;
const OBJECTS = [
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
  network.node.write('services', OBJECTS);
});
test.after.always(() => network?.close());

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

    await rules.write(OBJECTS);
    await node.agent.end('SIGTERM');
    const draining = node.signalbox('cleanup', '--drain', '--drain-timeout', '6s');
    await traffic.goesOn();
    await traffic.end(/since Signalbox.*: long/);
    const drained = await draining;
    t.is(drained.code, 0, drained.stderr);
    t.regex(drained.stdout, /[1-9]\d* TCP established.* go on; /);
    // Of UDP no end is known but silence.
    t.regex(drained.stdout, /\d+ connections go on after 6s/);
    t.regex(drained.stdout, /removed .*frontends/s);
    await traffic.goesOn();
    const { exchanges, connections, failures } = await traffic.end();
    t.log(`${connections} connections, ${exchanges} exchanges, ${failures.length} failed`);
    t.deepEqual(failures, [], 'kube-proxy’s rules serve again');
    t.false((await rules.list()).includes('signalbox'));
  });
}

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
  ]);
  await begin(node, 'the node', everyKind(addressesOf(OF_REMOTE).clusterIP, SERVICE_PORT));
  await begin(client, 'outside', [
    ...everyKind(NODE_IP, addressesOf(OF_LOCAL).nodePort),
    ...everyKind(NODE_IP, addressesOf(OF_REMOTE).nodePort),
    ...everyKind(addressesOf(OF_BOTH).external, SERVICE_PORT),
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

function kubeProxyLines(rules: string): string[] {
  return rules.split('\n').filter((line) => /kube-proxy|KUBE-/.test(line) && !KUBELETS.test(line));
}

function kubeletLines(rules: string): string[] {
  return rules.split('\n').filter((line) => KUBELETS.test(line) && !line.startsWith('#'));
}
