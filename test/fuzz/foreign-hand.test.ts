// SPDX-License-Identifier: Apache-2.0
// Anything at all in the tables, by anybody's hand: the next audit, or the next agent, makes of it what is
// to be there, without a detour for any look-up.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { hands, SLOTS } from '../helpers/foreign-hands.ts';
import { assertNone, assertOldOrNew } from '../helpers/old-or-new.ts';
import { clusterAfter, freshRows, histories, nodes, tell } from '../helpers/random-cluster.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { brokenLookups, frontendRows, leftOvers } from '../helpers/table-view.ts';

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
        for (const hand of all) hand.on(tables);
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
        for (const hand of all) hand.on(tables);
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
