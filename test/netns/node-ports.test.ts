// SPDX-License-Identifier: Apache-2.0
// NodePorts as pods and the node itself meet them: on which addresses, and on which not, as addresses come
// and go and as the command line says (semantics 1.9, 1.20). Something listens at their numbers everywhere:
// what is left alone says so.

import test, { type ExecutionContext } from 'ava';
import type { KubeObject } from '../lab/kube-object.ts';
import { type Client, type Clients, startClients } from './clients.ts';
import { inBothFamilies, twinOf } from './dual-stack.ts';
import { bothProtocols, kubeService, TARGET_PORT, targetAt } from './kube-service.ts';
import { comesTo, landings } from './landings.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';
import { POD_GATEWAY } from './test-pod.ts';

const NODE_PORT = 30080;
/** Of two Services: one has it for TCP, the other for UDP. */
const SHARED = 30053;
const NODE_IP = '192.0.2.11';
/** Comes and goes. */
const NEW_IP = '192.0.2.12';
const OTHER_NODE = '192.0.2.99';
/** On a device of the node. */
const LOAD_BALANCER = '203.0.113.7';
const LOOPBACK = '127.0.0.1';
const UNSPECIFIED = '0.0.0.0';

const FLAGS = ['--node-ip', inBothFamilies(NODE_IP).join()];

const BACKEND = '10.244.1.1';
const TCP_BACKEND = '10.244.1.2';
const UDP_BACKEND = '10.244.1.3';

let clients: Clients;

const node = nodeForFile(test, async (made) => {
  await made.configure(
    // Every address of the nodes' network arrives here; only those that are added are the node's.
    'route add local 192.0.2.0/24 dev lo',
    'route add local fd00:192:0:2::/64 dev lo',
    ...inBothFamilies(NODE_IP, LOAD_BALANCER).map((address) => `addr add ${address} dev lo`),
  );
  clients = await startClients(made, 2);
  made.write('web', web(NODE_PORT));
  made.write('shared', [
    ...kubeService('tcp', ['10.96.0.2'], [shared('TCP', TCP_BACKEND)], { spec: NODE_PORT_TYPE }),
    ...kubeService('udp', ['10.96.0.3'], [shared('UDP', UDP_BACKEND)], { spec: NODE_PORT_TYPE }),
  ]);
  for (const place of [made, clients.pod]) {
    await startBackends(made, [NODE_PORT, TARGET_PORT], place);
  }
  made.agent.flags = FLAGS;
  await made.agent.start();
});

const NODE_PORT_TYPE = { type: 'NodePort' };

function web(nodePort: number): KubeObject[] {
  const ports = bothProtocols(80, inBothFamilies(BACKEND), { nodePort });
  const ingress = inBothFamilies(LOAD_BALANCER);
  return kubeService('web', inBothFamilies('10.96.0.1'), ports, {
    spec: { type: 'LoadBalancer' },
    ingress,
  });
}

function shared(protocol: 'TCP' | 'UDP', backend: string) {
  return { protocol, port: 53, nodePort: SHARED, backends: [backend] };
}

test.serial('served on every address of the node', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of clients.all) {
    for (const host of [NODE_IP, POD_GATEWAY.ipv4, LOAD_BALANCER]) await serves(t, client, host);
  }
});

test.serial('served on loopback, and on what means it, to the node alone', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const host of [LOOPBACK, '127.1.2.3', UNSPECIFIED]) await serves(t, clients.host, host);
  for (const host of [LOOPBACK, UNSPECIFIED]) {
    await leavesAlone(t, clients.pod, host, LOOPBACK);
  }
});

test.serial('a pod’s own address is its own, for others too', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of clients.all) await leavesAlone(t, client, clients.pod.ipv4);
});

test.serial('another node’s address is that node’s business', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of clients.all) await leavesAlone(t, client, OTHER_NODE);
});

test.serial('what is dialled is the peer', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const [{ probe }, address, family, shown] of [
    [clients.host, LOOPBACK, 4, LOOPBACK],
    [clients.host, '::1', 6, '[::1]'],
    [clients.host, `::ffff:${LOOPBACK}`, 6, `[::ffff:${LOOPBACK}]`],
    [clients.pod, NODE_IP, 4, NODE_IP],
    [clients.pod, twinOf(NODE_IP), 6, `[${twinOf(NODE_IP)}]`],
  ] as const) {
    const peer = `${shown}:${NODE_PORT}`;
    const stream = await probe.open('tcp', family);
    t.is(await stream.connect(address, NODE_PORT), '');
    t.is(await stream.peer(), peer);
    const connected = await probe.open('udp', family);
    t.is(await connected.connect(address, NODE_PORT), '');
    t.is((await connected.ask()).split(' as ')[1], peer);
    const unconnected = await probe.open('udp', family);
    t.is((await unconnected.askAt(address, NODE_PORT)).split(' as ')[1], peer);
    for (const socket of [stream, connected, unconnected]) await socket.close();
  }
});

test.serial('one number leads TCP and UDP to their own Services', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    const kinds = ['tcp', 'udp', 'sendto'] as const;
    const ways = kinds.map((kind) => ({ kind, address: NODE_IP, port: SHARED }));
    const attempts = await probe.repeat(ways, { count: ways.length, timeoutMs: 10_000 });
    t.deepEqual(
      attempts.map(({ landed }) => landed),
      [TCP_BACKEND, UDP_BACKEND, UDP_BACKEND].map(targetAt),
      name,
    );
  }
});

test.serial('addresses that come are served, those that go are not', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const client of clients.all) await leavesAlone(t, client, NEW_IP);
  await node().configure(...inBothFamilies(NEW_IP).map((ip) => `addr add ${ip} dev lo`));
  for (const client of clients.all) await serves(t, client, NEW_IP);
  await node().configure(...prefixes(NEW_IP).map((prefix) => `addr del ${prefix} dev lo`));
  for (const client of clients.all) await leavesAlone(t, client, NEW_IP);
  for (const client of clients.all) await serves(t, client, NODE_IP);
});

test.serial('a Service may get another nodePort', async (t) => {
  if (!canMakeNodes(t)) return;
  node().write('web', web(NODE_PORT + 1));
  for (const client of clients.all) {
    await leavesAlone(t, client, NODE_IP);
    t.is(await landings(client.probe, NODE_IP, NODE_PORT + 1), targetAt(BACKEND), client.name);
  }
  node().write('web', web(NODE_PORT));
  for (const client of clients.all) await serves(t, client, NODE_IP);
});

test.serial('--nodeport-addresses primary: the node IPs alone', async (t) => {
  if (!canMakeNodes(t)) return;
  await restart('primary');
  for (const client of clients.all) {
    await serves(t, client, NODE_IP);
    for (const host of [POD_GATEWAY.ipv4, LOAD_BALANCER]) await leavesAlone(t, client, host);
  }
  for (const host of [LOOPBACK, UNSPECIFIED]) await leavesAlone(t, clients.host, host, LOOPBACK);
});

test.serial('--nodeport-addresses with CIDRs: what is in them', async (t) => {
  if (!canMakeNodes(t)) return;
  await restart(
    `203.0.113.0/24,${POD_GATEWAY.ipv4}/32,fd00:203:0:113::/64,${POD_GATEWAY.ipv6}/128`,
  );
  for (const client of clients.all) {
    await leavesAlone(t, client, NODE_IP);
    for (const host of [POD_GATEWAY.ipv4, LOAD_BALANCER]) await serves(t, client, host);
  }
  for (const host of [LOOPBACK, UNSPECIFIED]) await leavesAlone(t, clients.host, host, LOOPBACK);
});

test.serial('--nodeport-addresses with a loopback CIDR: loopback, in both families', async (t) => {
  if (!canMakeNodes(t)) return;
  await restart('127.0.0.0/8,fd00:192:0:2::/64');
  for (const host of [LOOPBACK, '127.1.2.3', UNSPECIFIED]) await serves(t, clients.host, host);
  for (const client of clients.all) await leavesAlone(t, client, LOAD_BALANCER);
  await leavesAlone(t, clients.pod, LOOPBACK);
});

async function restart(nodePortAddresses: string): Promise<void> {
  const { agent } = node();
  await agent.end('SIGTERM');
  agent.flags = [...FLAGS, '--nodeport-addresses', nodePortAddresses];
  await agent.start();
}

async function serves(t: ExecutionContext, { probe }: Client, host: string): Promise<void> {
  await comesTo(t, targetAt(BACKEND), () => landings(probe, host, NODE_PORT));
}

/** What listens there is reached. @param arrives where: on this address. */
async function leavesAlone(
  t: ExecutionContext,
  { probe }: Client,
  host: string,
  arrives = host,
): Promise<void> {
  await comesTo(t, `${arrives}:${NODE_PORT}`, () => landings(probe, host, NODE_PORT));
}

/** With the length that an address has which is added alone. */
function prefixes(ipv4: string): string[] {
  return [`${ipv4}/32`, `${twinOf(ipv4)}/128`];
}
