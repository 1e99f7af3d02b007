// SPDX-License-Identifier: Apache-2.0
// Addresses of a Service besides its clusterIP: external IPs and those of load balancers lead to its backends
// for pods and for the node, and show themselves as the peer; what else is at them is left alone (semantics 1.3, 1.6).

import test from 'ava';
import { type Clients, startClients } from './clients.ts';
import { inBothFamilies, twinOf } from './dual-stack.ts';
import { bothProtocols, kubeService, TARGET_PORT, targetAt } from './kube-service.ts';
import { comesTo, errnos, landings } from './landings.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';

const CLUSTER_IP = '10.96.0.1';
const EXTERNAL_IP = '198.51.100.7';
const LOAD_BALANCER = '203.0.113.7';
/** A load balancer that wants to be passed through. */
const PROXY = '203.0.113.8';
const BACKEND = '10.244.1.1';
const POD_ITSELF = '10.96.0.2';

let clients: Clients;

const node = nodeForFile(test, async (made) => {
  await made.configure(
    ...inBothFamilies('198.51.100.0', '203.0.113.0').map(
      (network) => `route add local ${network}/${network.includes(':') ? 64 : 24} dev lo`,
    ),
  );
  clients = await startClients(made, 2);
  made.write('web', web(inBothFamilies(EXTERNAL_IP)));
  made.write(
    'itself',
    kubeService(
      'itself',
      inBothFamilies(POD_ITSELF),
      bothProtocols(80, inBothFamilies(clients.pod.ipv4)),
    ),
  );
  // Listens at the Service's own port, too: what is left alone says so.
  await startBackends(made, [80, TARGET_PORT]);
  await startBackends(made, [80, TARGET_PORT], clients.pod);
  await made.agent.start();
});

function web(externalIPs: readonly string[]) {
  const ingress = [
    { ip: LOAD_BALANCER, ipMode: 'VIP' },
    { ip: twinOf(LOAD_BALANCER) },
    { hostname: 'lb.example' },
    ...inBothFamilies(PROXY).map((ip) => ({ ip, ipMode: 'Proxy' })),
  ];
  const ports = bothProtocols(80, inBothFamilies(BACKEND));
  const spec = { type: 'LoadBalancer', externalIPs };
  return kubeService('web', inBothFamilies(CLUSTER_IP), ports, { spec, ingress });
}

test.serial('external IPs and load-balancer addresses lead to backends', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    for (const host of [CLUSTER_IP, EXTERNAL_IP, LOAD_BALANCER]) {
      t.is(await landings(probe, host, 80), targetAt(BACKEND), `${name}, ${host}`);
    }
  }
});

test.serial('a load balancer with ipMode Proxy is left alone', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    t.is(await landings(probe, PROXY, 80), `${PROXY}:80`, name);
  }
});

test.serial('only a clusterIP is closed where it does not serve', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    t.is(await errnos(probe, CLUSTER_IP, TARGET_PORT), 'ECONNREFUSED', name);
    for (const host of [EXTERNAL_IP, LOAD_BALANCER]) {
      t.is(await landings(probe, host, TARGET_PORT), targetAt(host), `${name}, ${host}`);
    }
  }
});

test.serial('whichever address is dialled is the peer', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    for (const host of [EXTERNAL_IP, LOAD_BALANCER]) {
      for (const [address, family, shown] of [
        [host, 4, `${host}:80`],
        [`::ffff:${host}`, 6, `[::ffff:${host}]:80`],
        [twinOf(host), 6, `[${twinOf(host)}]:80`],
      ] as const) {
        const connected = await probe.open('udp', family);
        t.is(await connected.connect(address, 80), '');
        t.is(await connected.peer(), shown, name);
        t.is((await connected.ask()).split(' as ')[1], shown, name);
        const unconnected = await probe.open('udp', family);
        t.is((await unconnected.askAt(address, 80)).split(' as ')[1], shown, name);
        const stream = await probe.open('tcp', family);
        t.is(await stream.connect(address, 80), '');
        t.is(await stream.peer(), shown, name);
        for (const socket of [connected, unconnected, stream]) await socket.close();
      }
    }
  }
});

test.serial('a pod that reaches itself keeps its address', async (t) => {
  if (!canMakeNodes(t)) return;
  const { ipv4, probe } = clients.pod;
  t.is(await landings(probe, POD_ITSELF, 80), targetAt(ipv4));
  const socket = await probe.open('tcp', 4);
  t.is(await socket.connect(POD_ITSELF, 80), '');
  t.is((await socket.own()).split(':')[0], ipv4);
  t.is(await socket.peer(), `${POD_ITSELF}:80`);
  await socket.close();
});

test.serial('an address that the Service no longer names is left alone', async (t) => {
  if (!canMakeNodes(t)) return;
  node().write('web', web([]));
  for (const { probe } of clients.all) {
    await comesTo(t, `${EXTERNAL_IP}:80`, () => landings(probe, EXTERNAL_IP, 80));
    t.is(await landings(probe, LOAD_BALANCER, 80), targetAt(BACKEND));
  }
  node().write('web', web(inBothFamilies(EXTERNAL_IP)));
  for (const { probe } of clients.all) {
    await comesTo(t, targetAt(BACKEND), () => landings(probe, EXTERNAL_IP, 80));
  }
});
