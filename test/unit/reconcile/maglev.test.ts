// SPDX-License-Identifier: Apache-2.0
// Maglev tables in the kernel's: the same on every node, whatever its history, and known again after a restart.

import test from 'ava';
import fc from 'fast-check';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { EndpointSliceSpec } from '../../../agent/model/objects.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';

const SERVICE = service('a/web', ['10.96.0.1'], ['http/TCP:80 30080'], undefined, {
  balancing: 'maglev',
});

const SLICES: readonly EndpointSliceSpec[] = [
  { ...slice('a/web-1', 'web', ['http/TCP:80'], ['10.1.0.1', '10.1.0.2']), weight: 7 },
  slice('a/web-2', 'web', ['http/TCP:80', 'http/TCP:81'], ['10.1.0.10', '10.1.0.9', '10.1.1.1']),
  { ...slice('a/web-3', 'web', ['http/TCP:8080'], ['10.1.0.2', '10.1.0.1']), weight: 2 },
];

/** What the places of the Service's run hold, in order, after an agent has heard `events`. */
async function placesOf(events: readonly ((cluster: ClusterState) => void)[]) {
  const cluster = new ClusterState();
  const tables = new FakeTables();
  const reconciler = new Reconciler(cluster, tables, SILENT);
  for (const event of events) {
    event(cluster);
    await reconciler.reconcileChanges();
  }
  const runs = tables.frontends.entries().map(([, { inside }]) => inside);
  const run = runs.find(({ count }) => count > 0) ?? { first: 0, count: 0 };
  return Array.from({ length: run.count }, (_, i) => tables.slots.at(run.first + i));
}

const created = (cluster: ClusterState) => cluster.upsertService('a/web', { spec: SERVICE });
const sliced = (spec: EndpointSliceSpec) => (cluster: ClusterState) =>
  cluster.upsertEndpointSlice(`a/${spec.name}`, { spec });

test('two agents that heard of the objects in another order have the same table', async (t) => {
  const events = [created, ...SLICES.map(sliced)];
  const expected = await placesOf(events);
  t.is(expected.length, 1021);
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
      fc.tuple(
        ...SLICES.map(({ endpoints }) =>
          fc.shuffledSubarray([...endpoints], { minLength: endpoints.length }),
        ),
      ),
      async (order, endpoints) => {
        const last = SLICES.map((spec, i) => sliced({ ...spec, endpoints: endpoints[i] ?? [] }));
        t.deepEqual(await placesOf([...order, ...last]), expected);
      },
    ),
    { numRuns: 20 },
  );
});

test('the next agent knows a table again, and so does an audit', async (t) => {
  const tables = new FakeTables();
  const newCluster = () => {
    const cluster = new ClusterState();
    for (const event of [created, ...SLICES.map(sliced)]) event(cluster);
    return cluster;
  };
  await new Reconciler(newCluster(), tables, SILENT).reconcileAll();
  const next = new Reconciler(newCluster(), tables, SILENT);
  t.is((await next.reconcileAll()).steps, 0);
  t.deepEqual(await next.audit(), { repairs: 0 });
  // Two places that have changed hands leave every backend its number of them.
  const run = tables.frontends.entries().find(([, { inside }]) => inside.count > 1)?.[1].inside;
  const first = run?.first ?? 0;
  const other = Array.from({ length: 1021 }, (_, i) => first + i).find(
    (slot) => JSON.stringify(tables.slots.at(slot)) !== JSON.stringify(tables.slots.at(first)),
  );
  const [a, b] = [tables.slots.at(first), tables.slots.at(other ?? 0)];
  if (a && b)
    tables.slots.write([
      [first, b],
      [other ?? 0, a],
    ]);
  t.true((await next.audit()).repairs > 0);
  t.deepEqual(await next.audit(), { repairs: 0 });
});
