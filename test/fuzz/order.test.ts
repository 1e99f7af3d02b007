// SPDX-License-Identifier: Apache-2.0
// The property that everything stands on: in whatever order a cluster changes, and wherever between two
// writes one looks, or the agent is killed, each look-up is the old one or the new one, whole.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { FrontendFlags, type FrontendValue } from '../../agent/sys/layout.gen.ts';
import { FakeTables, Killed } from '../helpers/fake-tables.ts';
import { assertNone, assertOldOrNew, withoutRanges } from '../helpers/old-or-new.ts';
import { clusterAfter, freshRows, histories, nodes, tell } from '../helpers/random-cluster.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { brokenLookups, frontendRows, leftOvers, lookAt } from '../helpers/table-view.ts';

const REPORT = { includeErrorInReport: true };

test('between any two writes each look-up is the old one or the new one', async (t) => {
  let looks = 0;
  await fc.assert(
    fc.asyncProperty(histories, nodes, async (history, node) => {
      const cluster = new ClusterState();
      const tables = new FakeTables();
      const reconciler = new Reconciler(cluster, tables, SILENT, node);
      for (const [i, changes] of history.entries()) {
        for (const change of changes) tell(cluster, change);
        const before = frontendRows(tables);
        const after = await freshRows(history.slice(0, i + 1), node);
        tables.afterWrite = () => {
          looks++;
          assertOldOrNew(frontendRows(tables), before, after);
          assertNone(brokenLookups(tables));
        };
        const { failures } = await reconciler.reconcileChanges();
        assertNone(failures.map(({ message }) => message));
        assert.deepEqual(frontendRows(tables), after);
        assertNone(leftOvers(tables));
      }
    }),
    { ...REPORT, numRuns: 200 },
  );
  t.log(`looked ${looks} times`);
  t.pass();
});

test('a pass writes nothing for Services that did not change', async (t) => {
  await fc.assert(
    fc.asyncProperty(histories, nodes, async (history, node) => {
      const cluster = new ClusterState();
      const tables = new FakeTables();
      const reconciler = new Reconciler(cluster, tables, SILENT, node);
      for (const changes of history) {
        for (const change of changes) tell(cluster, change);
        const before = new Map(
          tables.frontends.entries().map(([k, v]) => [JSON.stringify(k), shownIn(v)]),
        );
        const rowsBefore = frontendRows(tables);
        await reconciler.reconcileChanges();
        const untouched = tables.frontends
          .entries()
          .filter(([k, v]) => before.get(JSON.stringify(k)) === shownIn(v));
        const rows = frontendRows({ ...lookAt(tables), frontends: { entries: () => untouched } });
        const same = [...frontendRows(tables)].filter(
          ([k, row]) => withoutRanges(rowsBefore.get(k)) === withoutRanges(row),
        );
        assert.deepEqual([...rows], same);
        tables.afterWrite = () => assert.fail('a write without a change');
        await reconciler.reconcileChanges();
        await reconciler.reconcileAll();
        tables.afterWrite = () => {};
      }
    }),
    { ...REPORT, numRuns: 100 },
  );
  t.pass();
});

test('killed after any write, the next agent makes the tables what they are to be', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      histories,
      nodes,
      fc.nat(60),
      fc.boolean(),
      async (...[history, node, writes, andAgain]) => {
        const cluster = new ClusterState();
        const tables = new FakeTables();
        killAfter(tables, writes);
        let reconciler = new Reconciler(cluster, tables, SILENT, node);
        let isDead = false;
        for (const changes of history) {
          for (const change of changes) tell(cluster, change);
          isDead = isDead || (await isKilled(() => reconciler.reconcileChanges()));
        }
        const now = clusterAfter(history);
        if (andAgain) {
          killAfter(tables, Math.floor(writes / 3));
          await isKilled(() =>
            new Reconciler(clusterAfter(history), tables, SILENT, node).reconcileAll(),
          );
        }
        const before = frontendRows(tables);
        const after = await freshRows(history, node);
        tables.beforeWrite = () => undefined;
        tables.afterWrite = () => {
          assertOldOrNew(frontendRows(tables), before, after);
          assertNone(brokenLookups(tables));
        };
        reconciler = new Reconciler(now, tables, SILENT, node);
        const { failures } = await reconciler.reconcileAll();
        assert.deepEqual(failures, []);
        assert.deepEqual(frontendRows(tables), after);
        assertNone(brokenLookups(tables));
        assertNone(leftOvers(tables));
      },
    ),
    { ...REPORT, numRuns: 300 },
  );
  t.pass();
});

test('the tables depend on the cluster as it is, not on how it came about', async (t) => {
  await fc.assert(
    fc.asyncProperty(histories, nodes, async (history, node) => {
      const cluster = new ClusterState();
      const tables = new FakeTables();
      const reconciler = new Reconciler(cluster, tables, SILENT, node);
      for (const changes of history) {
        for (const change of changes) tell(cluster, change);
        await reconciler.reconcileChanges();
      }
      const fresh = new FakeTables();
      await new Reconciler(clusterAfter(history), fresh, SILENT, node).reconcileAll();
      assert.deepEqual(frontendRows(fresh), frontendRows(tables));
      const audit = await reconciler.audit();
      assert.deepEqual(audit, { repairs: 0 });
    }),
    { ...REPORT, numRuns: 100 },
  );
  t.pass();
});

function killAfter(tables: FakeTables, writes: number): void {
  let left = writes;
  tables.beforeWrite = () => {
    if (left-- <= 0) throw new Killed();
    return undefined;
  };
}

/** @returns whether the agent that `body` is was killed in it. */
async function isKilled(body: () => Promise<unknown>): Promise<boolean> {
  try {
    await body();
    return false;
  } catch (error) {
    if (error instanceof Killed) return true;
    throw error;
  }
}

/** Of a frontend what its row shows: not whether its members are forgotten, which another address of its Service decides. */
function shownIn(frontend: FrontendValue): string {
  return JSON.stringify({ ...frontend, flags: frontend.flags & ~FrontendFlags.FORGETS });
}
