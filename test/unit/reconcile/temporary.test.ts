// SPDX-License-Identifier: Apache-2.0
// Frontends that are in the tables for the time of a self-test, beside those of the cluster.

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { ENOMEM, FakeTables } from '../../helpers/fake-tables.ts';
import { resolved, service } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { leftOvers, rowsOf } from '../../helpers/table-view.ts';

const SERVICE_PORTS = [
  resolved('signalbox/x', '', '192.0.0.8:9/TCP', ['127.0.0.1:4000']),
  resolved('signalbox/x', '', '192.0.0.8:9/UDP', ['127.0.0.1:4001']),
  resolved('signalbox/y', '', '[100::8]:9/UDP', ['[::1]:4002']),
];
const CLUSTER_ROW = 'a/web:http TCP 10.96.0.1:80 -> refused';

async function start() {
  const cluster = new ClusterState();
  cluster.upsertService('a/web', { spec: service('a/web', ['10.96.0.1'], ['http/TCP:80']) });
  const tables = new FakeTables();
  const reconciler = new Reconciler(cluster, tables, SILENT);
  await reconciler.reconcileAll();
  return { tables, reconciler };
}

test('they are there while the body runs, and gone with it', async (t) => {
  const { tables, reconciler } = await start();
  await reconciler.withTemporary(SERVICE_PORTS, async () => {
    t.deepEqual(rowsOf(tables), [
      CLUSTER_ROW,
      'signalbox/x: TCP 192.0.0.8:9 -> 127.0.0.1:4000',
      'signalbox/x: UDP 192.0.0.8:9 -> 127.0.0.1:4001',
      'signalbox/y: UDP [100::8]:9 -> [::1]:4002',
    ]);
    // Nobody dials another port of an address that is only there for the test.
    const problems = ['192.0.0.8 leaves ports open', '100::8 leaves ports open'];
    t.deepEqual(leftOvers(tables), problems);
  });
  t.deepEqual(rowsOf(tables), [CLUSTER_ROW]);
  t.deepEqual(leftOvers(tables), []);
});

test('they go when the body fails, and its error is told', async (t) => {
  const { tables, reconciler } = await start();
  const body = () => Promise.reject(new Error('no answer'));
  await t.throwsAsync(reconciler.withTemporary(SERVICE_PORTS, body), { message: 'no answer' });
  t.deepEqual(rowsOf(tables), [CLUSTER_ROW]);
});

test('when they cannot be made the body does not run, and nothing stays', async (t) => {
  const { tables, reconciler } = await start();
  tables.beforeWrite = ({ table, operation }) =>
    table === 'members' && operation === 'put' ? ENOMEM : undefined;
  const body = async () => t.fail('it ran');
  await t.throwsAsync(reconciler.withTemporary(SERVICE_PORTS, body), { message: /ENOMEM/ });
  t.deepEqual(rowsOf(tables), [CLUSTER_ROW]);
  t.deepEqual(leftOvers(tables), []);
  t.deepEqual(reconciler.failures, []);
});

test('what a crash leaves of them goes with the first pass of the next agent', async (t) => {
  const { tables, reconciler } = await start();
  await reconciler.withTemporary(SERVICE_PORTS, async () => {
    const cluster = new ClusterState();
    cluster.upsertService('a/web', { spec: service('a/web', ['10.96.0.1'], ['http/TCP:80']) });
    await new Reconciler(cluster, tables, SILENT).reconcileAll();
    t.deepEqual(rowsOf(tables), [CLUSTER_ROW]);
    t.deepEqual(leftOvers(tables), []);
  });
});
