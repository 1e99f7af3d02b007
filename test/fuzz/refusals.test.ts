// SPDX-License-Identifier: Apache-2.0
// Refusals at random, over random histories: look-ups stay whole meanwhile, and once the kernel takes
// everything again the tables become what they are to be, with nothing left over.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { ENOMEM, FakeTables } from '../helpers/fake-tables.ts';
import { assertNone, assertOldOrNew } from '../helpers/old-or-new.ts';
import { freshRows, histories, nodes, tell } from '../helpers/random-cluster.ts';
import { makeRetriesDue } from '../helpers/retry-clock.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import {
  brokenLookups,
  entryCounts,
  frontendRows,
  leftOvers,
  NO_ENTRIES,
} from '../helpers/table-view.ts';

test('refused here and there, the tables stay whole and become right', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      histories,
      nodes,
      fc.infiniteStream(fc.nat(9)),
      fc.infiniteStream(fc.boolean()),
      async (history, node, dice, waits) => {
        const cluster = new ClusterState();
        const tables = new FakeTables();
        const reconciler = new Reconciler(cluster, tables, SILENT, node);
        tables.beforeWrite = () => (dice.next().value === 0 ? ENOMEM : undefined);
        for (const [i, changes] of history.entries()) {
          for (const change of changes) tell(cluster, change);
          if (waits.next().value) makeRetriesDue();
          const before = frontendRows(tables);
          const after = await freshRows(history.slice(0, i + 1), node);
          tables.afterWrite = () => {
            assertOldOrNew(frontendRows(tables), before, after);
            assertNone(brokenLookups(tables));
          };
          const { failures } = await reconciler.reconcileChanges();
          const failed = new Set(failures.map(({ service }) => service));
          assert.equal(failed.size, failures.length);
          assert.ok(failures.every(({ message }) => /ENOMEM|E2BIG/.test(message)));
        }
        tables.beforeWrite = () => undefined;
        makeRetriesDue();
        await reconciler.reconcileChanges();
        assert.deepEqual(reconciler.failures, []);
        assert.deepEqual(frontendRows(tables), await freshRows(history, node));
        assertNone(leftOvers(tables));
        assert.deepEqual(await reconciler.audit(), { repairs: 0 });
        cluster.listed('Service', new Set());
        tables.afterWrite = () => assertNone(brokenLookups(tables));
        await reconciler.reconcileChanges();
        assert.deepEqual(entryCounts(tables), NO_ENTRIES);
      },
    ),
    { numRuns: 300, includeErrorInReport: true },
  );
  t.pass();
});
