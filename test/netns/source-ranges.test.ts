// SPDX-License-Identifier: Apache-2.0
// loadBalancerSourceRanges: who comes from elsewhere is told so at once, by load-balancer addresses alone. Where a
// connection will come from is found out before the kernel has chosen it (semantics 1.8, 1.20).

import test from 'ava';
import type { KubeObject } from '../lab/kube-object.ts';
import { type Client, type Clients, startClients } from './clients.ts';
import { inBothFamilies, twinOf } from './dual-stack.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { comesTo, errnos, landings } from './landings.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';

const NODE_IP = '192.0.2.11';
/** Other addresses of the node. */
const ONE = '198.18.0.5';
const OTHER = '198.19.0.5';

const CLUSTER_IP = '10.96.0.1';
const EXTERNAL_IP = '198.51.100.7';
const NODE_PORT = 30080;
const BACKEND = '10.244.1.1';

/** By whom may use them. The first: one pod of two, whose addresses differ behind the range alone. */
const FOR_ONE_POD = '203.0.113.1';
const ONE_POD = ['10.244.9.0/30', 'fd00:10:244:9::/126'];
const FOR_NETWORK_OF_ONE = '203.0.113.2';
const FOR_NODES = '203.0.113.3';
const WITHOUT_ENDPOINTS = '203.0.113.4';
const FOR_ONE_POD_OF_IPV4 = '203.0.113.5';

let clients: Clients;
let allowed: Client;
let blocked: Client;

const node = nodeForFile(test, async (made) => {
  const addresses = inBothFamilies(NODE_IP, ONE, OTHER, FOR_NODES);
  await made.configure(...addresses.map((address) => `addr add ${address} dev lo`));
  clients = await startClients(made, 2, 5);
  allowed = clients.pod;
  blocked = clients.pods[1] as Client;
  made.write('one-pod', onePod(ONE_POD));
  made.write('others', [
    ...balanced('network', '10.96.0.2', FOR_NETWORK_OF_ONE, ['198.18.0.0/16', 'fd00:198:18::/48']),
    ...balanced('nodes', '10.96.0.3', FOR_NODES, ['192.0.2.0/24', 'fd00:192:0:2::/64']),
    ...balanced('empty', '10.96.0.4', WITHOUT_ENDPOINTS, ONE_POD, []),
    ...balanced('ipv4', '10.96.0.5', FOR_ONE_POD_OF_IPV4, ONE_POD.slice(0, 1)),
  ]);
  await startBackends(made);
  made.agent.flags = ['--node-ip', inBothFamilies(NODE_IP).join()];
  await made.agent.start();
});

test.serial('a range that cuts through the pods’ addresses', async (t) => {
  if (!canMakeNodes(t)) return;
  t.is(await landings(allowed.probe, FOR_ONE_POD, 80), targetAt(BACKEND));
  t.is(await errnos(blocked.probe, FOR_ONE_POD, 80), 'EHOSTUNREACH');
  t.is(await errnos(clients.host.probe, FOR_ONE_POD, 80), 'EHOSTUNREACH');
});

test.serial('no other address of the Service is restricted', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    for (const [host, port] of [
      [CLUSTER_IP, 80],
      [EXTERNAL_IP, 80],
      [NODE_IP, NODE_PORT],
    ] as const) {
      t.is(await landings(probe, host, port), targetAt(BACKEND), `${name}, ${host}`);
    }
  }
});

test.serial('the node comes from its node IP', async (t) => {
  if (!canMakeNodes(t)) return;
  t.is(await landings(clients.host.probe, FOR_NODES, 80), targetAt(BACKEND));
  for (const { probe } of clients.pods) {
    t.is(await errnos(probe, FOR_NODES, 80), 'EHOSTUNREACH');
  }
});

test.serial('a socket that is bound comes from where it is bound to', async (t) => {
  if (!canMakeNodes(t)) return;
  const { probe } = clients.host;
  t.is(await errnos(probe, FOR_NETWORK_OF_ONE, 80), 'EHOSTUNREACH');
  for (const [from, host, errno] of [
    [ONE, FOR_NETWORK_OF_ONE, ''],
    [OTHER, FOR_NETWORK_OF_ONE, 'EHOSTUNREACH'],
    [NODE_IP, FOR_NETWORK_OF_ONE, 'EHOSTUNREACH'],
    [NODE_IP, FOR_NODES, ''],
    [ONE, FOR_NODES, 'EHOSTUNREACH'],
    // Where nodes may, so may the address itself, which this node has.
    [FOR_NODES, FOR_NODES, ''],
    [FOR_NODES, FOR_NETWORK_OF_ONE, 'EHOSTUNREACH'],
  ] as const) {
    t.is(await errnos(probe, host, 80, from), errno, `${from} to ${host}`);
  }
});

test.serial(
  'a socket that is bound to no address in particular is as one that is not',
  async (t) => {
    if (!canMakeNodes(t)) return;
    t.is(await errnos(allowed.probe, FOR_ONE_POD, 80, '0.0.0.0'), '');
    t.is(await errnos(blocked.probe, FOR_ONE_POD, 80, '0.0.0.0'), 'EHOSTUNREACH');
    t.is(await errnos(clients.host.probe, FOR_NODES, 80, '0.0.0.0'), '');
  },
);

test.serial('where there is nobody to let in, those who would be are refused', async (t) => {
  if (!canMakeNodes(t)) return;
  t.is(await errnos(allowed.probe, WITHOUT_ENDPOINTS, 80), 'ECONNREFUSED');
  t.is(await errnos(blocked.probe, WITHOUT_ENDPOINTS, 80), 'EHOSTUNREACH');
  t.is(await errnos(clients.host.probe, WITHOUT_ENDPOINTS, 80), 'EHOSTUNREACH');
});

test.serial('a family without a range is not restricted', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const [client, errno] of [
    [allowed, ''],
    [blocked, 'EHOSTUNREACH'],
  ] as const) {
    const socket = await client.probe.open('tcp', 4);
    t.is(await socket.connect(FOR_ONE_POD_OF_IPV4, 80), errno);
    const ipv6 = await client.probe.open('tcp', 6);
    t.is(await ipv6.connect(twinOf(FOR_ONE_POD_OF_IPV4), 80), '');
    await socket.close();
    await ipv6.close();
  }
});

test.serial('ranges come and go', async (t) => {
  if (!canMakeNodes(t)) return;
  node().write('one-pod', onePod(['10.244.9.0/29', 'fd00:10:244:9::/125']));
  await comesTo(t, '', () => errnos(blocked.probe, FOR_ONE_POD, 80));
  t.is(await errnos(allowed.probe, FOR_ONE_POD, 80), '');
  node().write('one-pod', onePod(['10.244.9.4/30', 'fd00:10:244:9::4/126']));
  await comesTo(t, 'EHOSTUNREACH', () => errnos(allowed.probe, FOR_ONE_POD, 80));
  t.is(await errnos(blocked.probe, FOR_ONE_POD, 80), '');
  node().write('one-pod', onePod([]));
  for (const { probe } of clients.all) {
    await comesTo(t, targetAt(BACKEND), () => landings(probe, FOR_ONE_POD, 80));
  }
  node().write('one-pod', onePod(ONE_POD));
  await comesTo(t, 'EHOSTUNREACH', () => errnos(blocked.probe, FOR_ONE_POD, 80));
  t.is(await landings(allowed.probe, FOR_ONE_POD, 80), targetAt(BACKEND));
});

function onePod(ranges: readonly string[]): KubeObject[] {
  return balanced('one-pod', CLUSTER_IP, FOR_ONE_POD, ranges);
}

/** A Service with a load-balancer address; {@link onePod}'s is dialled in all other ways, too. */
function balanced(
  name: string,
  clusterIP: string,
  loadBalancer: string,
  loadBalancerSourceRanges: readonly string[],
  backends: readonly string[] = [BACKEND],
): KubeObject[] {
  const isFirst = clusterIP === CLUSTER_IP;
  const ports = bothProtocols(
    80,
    inBothFamilies(...backends),
    isFirst ? { nodePort: NODE_PORT } : {},
  );
  return kubeService(name, inBothFamilies(clusterIP), ports, {
    spec: {
      type: 'LoadBalancer',
      loadBalancerSourceRanges,
      externalIPs: isFirst ? inBothFamilies(EXTERNAL_IP) : [],
    },
    ingress: inBothFamilies(loadBalancer),
  });
}
