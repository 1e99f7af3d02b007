// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { counterOf } from '../../../agent/plan/service-port-ids.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';

test('the counter of a new service port is cleared before a frontend leads there, and then no more', async (t) => {
  const cluster = new ClusterState();
  const tables = new FakeTables();
  const seen: number[] = [];
  tables.beforeWrite = ({ table }) => {
    if (table === 'frontends') seen.push(tables.clearedCounters.length);
    return undefined;
  };
  const reconciler = new Reconciler(cluster, tables, SILENT);
  const spec = service('default/quote', ['10.96.0.1'], ['http/TCP:80']);
  cluster.upsertService('default/quote', { spec });
  await reconciler.reconcileChanges();
  const [[id] = [0]] = tables.servicePorts.entries();
  t.deepEqual(tables.clearedCounters, [counterOf(id)]);
  t.true(seen.length > 0 && seen.every((cleared) => cleared === 1));

  cluster.upsertService('default/quote', {
    spec: service('default/quote', ['10.96.0.2'], ['http/TCP:80']),
  });
  await reconciler.reconcileChanges();
  t.deepEqual(tables.clearedCounters, [counterOf(id)]);
});
