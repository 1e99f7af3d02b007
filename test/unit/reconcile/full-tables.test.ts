// SPDX-License-Identifier: Apache-2.0
// Tables that are too small: the failure says which, and what did not fit comes in as soon as there is room, without
// being tried for nothing before.

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey, ServiceSpec } from '../../../agent/model/objects.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { address, prefixes, service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { leftOvers } from '../../helpers/table-view.ts';

function world(limits: ConstructorParameters<typeof FakeTables>[0]) {
  const tables = new FakeTables({ slots: 64, ...limits });
  const cluster = new ClusterState();
  const reconciler = new Reconciler(cluster, tables, SILENT);
  const add = (n: number, more: Partial<ServiceSpec> = {}) => {
    const key: ObjectKey = `a/s${n}`;
    const spec = service(key, [`10.96.0.${n}`], ['http/TCP:80'], undefined, more);
    cluster.upsertService(key, { spec });
    const of = slice(`${key}-1`, `s${n}`, ['http/TCP:8080'], [`10.1.0.${n}`]);
    cluster.upsertEndpointSlice(`${key}-1`, { spec: of });
  };
  const pass = async () => {
    await reconciler.reconcileChanges();
    return reconciler.failures.map(({ service: key, full }) => `${key} ${full?.table}`);
  };
  return { tables, cluster, reconciler, add, pass };
}

/** An entry of each table at least: affinity asks for members, the load balancer's address for ranges. */
const WITH_ALL = (n: number): Partial<ServiceSpec> => ({
  affinityTimeoutSeconds: 60,
  loadBalancerIPs: [address(`192.0.2.${n}`)],
  loadBalancerSourceRanges: prefixes('10.0.0.0/8'),
});

const LIMITS = {
  frontends: { frontends: 5 },
  members: { members: 1 },
  service_ports: { servicePorts: 1 },
  source_ranges: { sourceRanges: 1 },
} as const;

for (const [table, limits] of Object.entries(LIMITS)) {
  test(`${table}: a Service that does not fit comes in when there is room`, async (t) => {
    const { tables, cluster, reconciler, add, pass } = world(limits);
    add(1, WITH_ALL(1));
    t.deepEqual(await pass(), []);
    add(2, WITH_ALL(2));
    t.deepEqual(await pass(), [`a/s2 ${table}`]);
    t.true((reconciler.retryInMs ?? 0) > 0);
    cluster.remove('Service', 'a/s1');
    t.deepEqual(await pass(), [`a/s2 ${table}`]);
    t.is(reconciler.retryInMs, 0);
    t.deepEqual(await pass(), []);
    t.is(reconciler.retryInMs, undefined);
    t.deepEqual(leftOvers(tables), []);
    t.is(tables.servicePorts.entries().length, 1);
  });
}

test('room that the same pass has taken is none', async (t) => {
  const { cluster, reconciler, add, pass } = world({ servicePorts: 1 });
  add(1);
  t.deepEqual(await pass(), []);
  add(2);
  t.deepEqual(await pass(), ['a/s2 service_ports']);
  add(1, { externalIPs: [address('192.0.2.1')] });
  t.deepEqual(await pass(), ['a/s2 service_ports']);
  t.true((reconciler.retryInMs ?? 0) > 0);
  cluster.remove('Service', 'a/s2');
  t.deepEqual(await pass(), []);
});

test('what does not fit though there is more room is not tried again and again', async (t) => {
  const { cluster, reconciler, add, pass } = world({ frontends: 6 });
  const externalIPs = Array.from({ length: 9 }, (_, i) => address(`192.0.2.${1 + i}`));
  add(1);
  t.deepEqual(await pass(), []);
  add(2, { externalIPs });
  t.deepEqual(await pass(), ['a/s2 frontends']);
  cluster.remove('Service', 'a/s1');
  for (let passes = 0; passes < 3; passes++) t.deepEqual(await pass(), ['a/s2 frontends']);
  t.true((reconciler.retryInMs ?? 0) > 0);
});
