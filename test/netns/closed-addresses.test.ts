// SPDX-License-Identifier: Apache-2.0
// What no Service serves: other ports and protocols of a clusterIP are refused, addresses that Services are
// made of and none has lead nowhere, and everything else is left alone (semantics 1.6, 1.18). Something
// listens everywhere: nobody but the programs can refuse.

import test from 'ava';
import type { KubeObject } from '../lab/kube-object.ts';
import { defaultServiceCidr } from '../lab/service-cidr.ts';
import { type Clients, startClients } from './clients.ts';
import { inBothFamilies, twinOf } from './dual-stack.ts';
import { kubeService, TARGET_PORT, targetAt } from './kube-service.ts';
import { comesTo, errnos, landings } from './landings.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';
/** No Service has them; the first is in the ServiceCIDR. */
const UNALLOCATED = '10.96.0.9';
/** Of a Service that is left to another proxy. */
const THEIRS = '10.96.0.7';
const OUTSIDE = '10.96.200.9';

let clients: Clients;

const node = nodeForFile(test, async (made) => {
  await made.configure('route add local fd00:10:96:200::/64 dev lo');
  clients = await startClients(made, 2);
  made.write('cidrs', [defaultServiceCidr(['10.96.0.0/24', 'fd00:10:96::/112'])]);
  made.write(
    'web',
    kubeService('web', inBothFamilies(WEB), [
      { protocol: 'TCP', port: 80, backends: inBothFamilies(BACKEND) },
      { protocol: 'UDP', port: 53, backends: inBothFamilies(BACKEND) },
    ]),
  );
  await startBackends(made, [53, 80, TARGET_PORT]);
  await made.agent.start();
});

test.serial('a port that a clusterIP does not serve is refused', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    t.is(await errnos(probe, WEB, TARGET_PORT), 'ECONNREFUSED', name);
  }
});

test.serial('a port that a clusterIP serves by another protocol is refused', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    for (const address of [WEB, `::ffff:${WEB}`, twinOf(WEB)]) {
      const socket = await probe.open('udp', address.includes(':') ? 6 : 4);
      t.is(await socket.connect(address, 80), 'ECONNREFUSED', `${name}, ${address}`);
      t.is(await socket.sendTo([address, 80]), 'ECONNREFUSED', `${name}, ${address}`);
      await socket.close();
      const stream = await probe.open('tcp', address.includes(':') ? 6 : 4);
      t.is(await stream.connect(address, 53), 'ECONNREFUSED', `${name}, ${address}`);
      t.is(await stream.connect(address, 80), '', `${name}, ${address}`);
      await stream.close();
    }
  }
});

test.serial(
  'the port by which ping asks for its source is connected to, and no other',
  async (t) => {
    if (!canMakeNodes(t)) return;
    for (const { name, probe } of clients.all) {
      for (const address of [WEB, `::ffff:${WEB}`, twinOf(WEB)]) {
        const socket = await probe.open('udp', address.includes(':') ? 6 : 4);
        t.is(await socket.connect(address, 1026), 'ECONNREFUSED', `${name}, ${address}`);
        t.is(await socket.connect(address, 1025), '', `${name}, ${address}`);
        t.is(await socket.sendTo([address, 1025]), 'ECONNREFUSED', `${name}, ${address}`);
        await socket.close();
      }
    }
  },
);

test.serial('an address in a ServiceCIDR that no Service has leads nowhere', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    t.is(await errnos(probe, UNALLOCATED, TARGET_PORT), 'EHOSTUNREACH', name);
  }
});

test.serial('an address outside of every ServiceCIDR is left alone', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const { name, probe } of clients.all) {
    t.is(await landings(probe, OUTSIDE, TARGET_PORT), targetAt(OUTSIDE), name);
  }
});

test.serial('connect() to port 0 asks for a route, and is told the source address', async (t) => {
  if (!canMakeNodes(t)) return;
  const { pod } = clients;
  for (const host of [WEB, UNALLOCATED, OUTSIDE]) {
    for (const [address, family, source] of [
      [host, 4, pod.ipv4],
      [`::ffff:${host}`, 6, `[::ffff:${pod.ipv4}]`],
      [twinOf(host), 6, `[${pod.ipv6}]`],
    ] as const) {
      const socket = await pod.probe.open('udp', family);
      t.is(await socket.connect(address, 0), '', address);
      t.is((await socket.own()).replace(/:\d+$/, ''), source, address);
      await socket.close();
    }
  }
});

test.serial('what another proxy serves in a ServiceCIDR is left to it', async (t) => {
  if (!canMakeNodes(t)) return;
  const { probe } = clients.pod;
  const labels = { 'service.kubernetes.io/service-proxy-name': 'mesh' };
  const [service] = kubeService('theirs', inBothFamilies(THEIRS), []);
  node().write('theirs', [
    { ...service, metadata: { ...service?.metadata, labels } } as KubeObject,
  ]);
  await comesTo(t, `${THEIRS}:80`, () => landings(probe, THEIRS, 80));
  t.is(await errnos(probe, UNALLOCATED, 80), 'EHOSTUNREACH');
  node().remove('theirs');
  await comesTo(t, 'EHOSTUNREACH', () => errnos(probe, THEIRS, 80));
});

test.serial('ServiceCIDRs come and go', async (t) => {
  if (!canMakeNodes(t)) return;
  const { probe } = clients.pod;
  node().remove('cidrs');
  await comesTo(t, `${UNALLOCATED}:80`, () => landings(probe, UNALLOCATED, 80));
  t.is(await errnos(probe, WEB, TARGET_PORT), 'ECONNREFUSED');
  node().write('cidrs', [defaultServiceCidr(['10.96.0.0/16', 'fd00:10:96::/48'])]);
  await comesTo(t, 'EHOSTUNREACH', () => errnos(probe, OUTSIDE, 80));
  t.is(await errnos(probe, UNALLOCATED, 80), 'EHOSTUNREACH');
});
