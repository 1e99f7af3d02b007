// SPDX-License-Identifier: Apache-2.0
// Anything at all in the tables, by anybody's hand: the next audit, or the next agent, makes of it what is
// to be there, without a detour for any look-up.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import type { FrontendKind, FrontendScope } from '../../agent/sys/layout.gen.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { address } from '../helpers/objects.ts';
import { assertNone, assertOldOrNew } from '../helpers/old-or-new.ts';
import { clusterAfter, freshRows, histories, nodes, tell } from '../helpers/random-cluster.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { brokenLookups, frontendRows, leftOvers } from '../helpers/table-view.ts';

const SLOTS = 24;

type Hand = (tables: FakeTables) => void;

/** What random-cluster.ts uses too, and something else. */
const ids = fc.constantFrom(1, 2, 3, 4, 9, 0xffffffff);
const frontendKeys = fc.record({
  address: fc.constantFrom('10.96.0.1', '10.96.0.2', 'fd00::1', '192.0.2.1').map(address),
  port: fc.constantFrom(80, 53),
  protocol: fc.constantFrom(6, 17, 132),
  scope: fc.constantFrom<FrontendScope[]>(0, 0, 1, 2, 3),
});
const backends = fc.record({
  address: fc.constantFrom('10.244.0.1', '10.244.0.2', 'fd01::1', '192.0.2.9').map(address),
  port: fc.constantFrom(8080, 53),
});
const runs = fc
  .tuple(fc.nat(SLOTS - 1), fc.nat(4))
  .map(([first, count]) => ({ first, count: Math.min(count, SLOTS - first) }));
const frontendValues = fc.record({
  servicePortId: ids,
  kind: fc.constantFrom(1, 2, 3, 4, 5, 6, 99).map((kind) => kind as FrontendKind),
  flags: fc.nat(63),
  affinityTimeoutSeconds: fc.constantFrom(0, 0, 10),
  inside: runs,
  outside: runs,
});
const sourceRanges = fc.record({
  bits: fc.constantFrom(32 + 96 + 8, 32 + 128),
  servicePortId: ids,
  address: fc.constantFrom('10.0.0.0', '192.0.0.0').map(address),
});
const names = fc.record({
  namespaceName: fc.constantFrom('a', 'b', 'c', ''),
  serviceName: fc.constantFrom('p', 'q', ''),
  portName: fc.constantFrom('http', 'dns', ''),
  protocol: fc.constantFrom(6, 17, 99),
});

const hands: fc.Arbitrary<Hand> = fc.oneof(
  fc.tuple(frontendKeys, frontendValues).map(
    (entry): Hand =>
      (tables) =>
        tables.frontends.put([entry]),
  ),
  sourceRanges.map(
    (key): Hand =>
      (tables) =>
        tables.sourceRanges.put([[key, { present: 1 }]]),
  ),
  sourceRanges.map(
    (key): Hand =>
      (tables) =>
        tables.sourceRanges.delete([key]),
  ),
  frontendKeys.map(
    (key): Hand =>
      (tables) =>
        tables.frontends.delete([key]),
  ),
  fc.tuple(ids, names).map(
    ([id, name]): Hand =>
      (tables) =>
        tables.servicePorts.put([[id, name]]),
  ),
  ids.map(
    (id): Hand =>
      (tables) =>
        tables.servicePorts.delete([id]),
  ),
  fc.tuple(ids, backends, fc.constantFrom(0, 1, 7)).map(
    ([servicePortId, backend, flags]): Hand =>
      (tables) =>
        tables.members.put([[{ servicePortId, backend }, { flags }]]),
  ),
  fc.tuple(ids, backends).map(
    ([servicePortId, backend]): Hand =>
      (tables) =>
        tables.members.delete([{ servicePortId, backend }]),
  ),
  fc.tuple(fc.nat(SLOTS - 1), backends).map(
    ([slot, backend]): Hand =>
      (tables) =>
        tables.slots.write([[slot, backend]]),
  ),
);

test('whatever was done to the tables, an audit mends it', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      histories,
      nodes,
      fc.array(hands, { maxLength: 8 }),
      async (...[history, node, all]) => {
        const after = await freshRows(history, node);
        const cluster = new ClusterState();
        const tables = new FakeTables({ slots: SLOTS });
        const reconciler = new Reconciler(cluster, tables, SILENT, node);
        for (const change of history.flat()) tell(cluster, change);
        await reconciler.reconcileAll();
        for (const hand of all) hand(tables);
        watch(tables, after);
        await reconciler.audit();
        await assertMended(reconciler, tables, after);
      },
    ),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.pass();
});

test('whatever is in the tables, a new agent makes of it what is to be there', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      histories,
      nodes,
      fc.array(hands, { maxLength: 20 }),
      async (...[history, node, all]) => {
        const after = await freshRows(history, node);
        const cluster = clusterAfter(history);
        const tables = new FakeTables({ slots: SLOTS });
        for (const hand of all) hand(tables);
        const reconciler = new Reconciler(cluster, tables, SILENT, node);
        watch(tables, after);
        await reconciler.reconcileAll();
        await assertMended(reconciler, tables, after);
      },
    ),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.pass();
});

/** Nothing is missing, wrong or left over, and the next audit finds nothing to mend. */
async function assertMended(
  reconciler: Reconciler,
  tables: FakeTables,
  after: ReadonlyMap<string, string>,
): Promise<void> {
  assert.deepEqual(reconciler.failures, []);
  assert.deepEqual(frontendRows(tables), after);
  assertNone([...brokenLookups(tables), ...leftOvers(tables)]);
  assert.deepEqual(await reconciler.audit(), { repairs: 0 });
}

/** After each write from now on, every look-up is what it is now or what it is to be. */
function watch(tables: FakeTables, after: ReadonlyMap<string, string>): void {
  const before = targets(frontendRows(tables));
  tables.afterWrite = () => assertOldOrNew(targets(frontendRows(tables)), before, targets(after));
}

/** Where look-ups lead. Names are for people, and what a stranger wrote may lose its name before it goes. */
function targets(rows: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...rows].map(([dialled, row]) => [dialled, row.replace(/^.*? -> /, '')]));
}
