// SPDX-License-Identifier: Apache-2.0
// What a pass reports to those who act upon it.

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { frontendRows } from '../../helpers/table-view.ts';

/** Sockets are looked for, in all of the kernel, wherever there may be one to close. */
test('of backends that leave those of UDP count, also with their whole Service', async (t) => {
  const cluster = new ClusterState();
  const reconciler = new Reconciler(cluster, new FakeTables(), SILENT);
  const ports = ['http/TCP:80', 'dns/UDP:53'] as const;
  const serve = async (...ips: string[]) => {
    cluster.upsertEndpointSlice('a/p-1', { spec: slice('a/p-1', 'p', ports, ips) });
    return (await reconciler.reconcileChanges()).udpBackendsGone;
  };
  cluster.upsertService('a/p', { spec: service('a/p', ['10.96.0.1'], ports) });
  t.is(await serve('10.1.0.1', '10.1.0.2', '10.1.0.3'), 0);
  t.is(await serve('10.1.0.1', '10.1.0.2'), 1);
  t.is(await serve('10.1.0.1 terminating serving', '10.1.0.2'), 0);
  cluster.upsertService('a/p', { spec: service('a/p', ['10.96.0.1'], ['dns/UDP:53']) });
  t.is((await reconciler.reconcileChanges()).udpBackendsGone, 0);
  cluster.remove('Service', 'a/p');
  t.is((await reconciler.reconcileChanges()).udpBackendsGone, 2);
});

/** Found by the simulation, SEED=2: what a pass plans and what it knows of claims are of one moment. */
test('a frontend goes from one Service to another, also when the first gives it up in the middle of a pass', async (t) => {
  const cluster = new ClusterState();
  const tables = new FakeTables();
  const reconciler = new Reconciler(cluster, tables, SILENT);
  const put = (name: string, clusterIP: string, port: 'TCP:80' | 'TCP:80 30080') =>
    cluster.upsertService(`a/${name}`, { spec: service(`a/${name}`, [clusterIP], [port]) });
  put('p', '10.96.0.1', 'TCP:80 30080');
  put('q', '10.96.0.2', 'TCP:80 30080');
  await reconciler.reconcileAll();
  const holders: (string | undefined)[] = [];
  tables.afterWrite = () => {
    const rows = [...frontendRows(tables)];
    holders.push(rows.find(([dialled]) => dialled === 'TCP *:30080 IPv4')?.[1].slice(0, 3));
  };
  put('p', '10.96.0.3', 'TCP:80 30080');
  const pass = reconciler.reconcileChanges();
  put('p', '10.96.0.4', 'TCP:80');
  await pass;
  await reconciler.reconcileChanges();
  t.deepEqual(new Set(holders), new Set(['a/p', 'a/q']));
});
