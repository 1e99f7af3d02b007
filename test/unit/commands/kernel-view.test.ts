// SPDX-License-Identifier: Apache-2.0
// What `services`, `backends` and `status` show of the tables: names, kinds, both kinds of clients, and the same
// words for a client that finds nothing as explain has.

import test from 'ava';
import {
  countFrontends,
  formatFrontend,
  frontendViews,
  nameCells,
  selectService,
} from '../../../agent/commands/kernel-view.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { type NodeView, Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { address, prefixes, service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';

const HERE: NodeView = { traits: { name: 'here', zone: '', nodeIPs: [] }, state: undefined };

/** `web` has its endpoint on another node, `dns` has none. */
async function tables(): Promise<FakeTables> {
  const cluster = new ClusterState();
  const web = service('shop/web', ['10.96.0.1', 'fd00::1'], ['http/TCP:80 30080'], undefined, {
    internalTrafficPolicy: 'Local',
    externalTrafficPolicy: 'Local',
    loadBalancerIPs: [address('192.0.2.1')],
    loadBalancerSourceRanges: prefixes('10.0.0.0/8'),
    affinityTimeoutSeconds: 60,
  });
  cluster.upsertService('shop/web', { spec: web });
  const endpoints = slice('shop/web-1', 'web', ['http/TCP:8080'], ['10.244.0.1 on:there']);
  cluster.upsertEndpointSlice('shop/web-1', { spec: endpoints });
  cluster.upsertService('kube/dns', { spec: service('kube/dns', ['10.96.0.2'], ['UDP:53']) });
  const made = new FakeTables();
  await new Reconciler(cluster, made, SILENT, () => HERE).reconcileAll();
  return made;
}

test('every frontend, by Service, port and address', async (t) => {
  const rows = frontendViews(await tables()).map((view) => {
    const { frontend, kind, inside, outside, isRestricted, affinityTimeoutSeconds } = view;
    const routes = [inside, outside].map(({ backends, onEmpty }) => backends.length || onEmpty);
    const traits = [isRestricted && 'restricted', affinityTimeoutSeconds || ''].filter(Boolean);
    const words = [...nameCells(view), kind, formatFrontend(frontend), ...routes, ...traits];
    return words.join(' ');
  });
  t.deepEqual(rows, [
    'kube dns - clusterIP 10.96.0.2:53 reject reject',
    'kube dns - otherPorts 10.96.0.2:* reject reject',
    'shop web http nodePort *:30080 (IPv4) 1 drop 60',
    'shop web http nodePort *:30080 (IPv6) reject reject 60',
    'shop web http clusterIP 10.96.0.1:80 drop drop 60',
    'shop web http loadBalancer 192.0.2.1:80 1 drop restricted 60',
    'shop web http clusterIP [fd00::1]:80 reject reject 60',
    'shop web http otherPorts 10.96.0.1:* reject reject 60',
    'shop web http echo 192.0.2.1 reject reject restricted 60',
    'shop web http otherPorts [fd00::1]:* reject reject 60',
  ]);
});

test('what refuses and what drops is told apart, and a backend counted once', async (t) => {
  const counts = countFrontends(frontendViews(await tables()));
  t.deepEqual(counts, { frontends: 6, rejecting: 3, dropping: 1, backends: 1 });
});

test('a Service is selected by its name, or by namespace and name', async (t) => {
  const views = frontendViews(await tables());
  t.is(selectService(views).length, views.length);
  t.is(selectService(views, 'dns').length, 2);
  t.is(selectService(views, 'kube/dns').length, 2);
  t.is(selectService(views, 'shop/dns').length, 0);
});

test('an entry whose id has no name is shown all the same', async (t) => {
  const made = await tables();
  made.servicePorts.delete(made.servicePorts.entries().map(([id]) => id));
  const [view] = frontendViews(made);
  t.truthy(view);
  if (view) t.deepEqual(nameCells(view), ['?', `id ${view.servicePortId}`, '?']);
});

test('of a Maglev table each backend is shown once', async (t) => {
  const cluster = new ClusterState();
  const spec = service('shop/web', ['10.96.0.1'], ['TCP:80'], undefined, { balancing: 'maglev' });
  cluster.upsertService('shop/web', { spec });
  const ips = ['10.244.0.10', '10.244.0.9', '10.244.0.1'];
  cluster.upsertEndpointSlice('shop/web-1', { spec: slice('shop/web-1', 'web', ['TCP:80'], ips) });
  const made = new FakeTables();
  await new Reconciler(cluster, made, SILENT, () => HERE).reconcileAll();
  const [view] = frontendViews(made);
  t.deepEqual(
    view?.inside.backends.map(({ address }) => `${address}`),
    ['10.244.0.10', '10.244.0.1', '10.244.0.9'],
  );
  t.deepEqual([view?.balancing, view?.inside.slots], ['maglev', 509]);
  t.deepEqual(countFrontends(frontendViews(made)).backends, 3);
});
