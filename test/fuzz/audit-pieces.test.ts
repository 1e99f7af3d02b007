// SPDX-License-Identifier: Apache-2.0
// Passes go on between the pieces of an audit, which reads two entries at a time here: what they write and delete is never
// taken for somebody else's hand, nothing of it is lost, and what is somebody else's is mended in the end. Reads are
// refused in the middle.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import type { PassReport } from '../../agent/reconcile/observer.ts';
import { type NodeView, Reconciler } from '../../agent/reconcile/reconciler.ts';
import { KernelError } from '../../agent/sys/libbpf/kernel-error.ts';
import { ENOMEM, FakeTables } from '../helpers/fake-tables.ts';
import { hands, SLOTS } from '../helpers/foreign-hands.ts';
import { assertNone, withoutRanges } from '../helpers/old-or-new.ts';
import { type Change, freshRows, histories, nodes, tell } from '../helpers/random-cluster.ts';
import { makeRetriesDue } from '../helpers/retry-clock.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { brokenLookups, frontendRows, leftOvers } from '../helpers/table-view.ts';

const PIECE = 2;
const RUNS = 150;
/** One read in so many is refused. */
const dice = fc.infiniteStream(fc.nat(39));

interface World {
  readonly cluster: ClusterState;
  readonly tables: FakeTables;
  readonly reconciler: Reconciler;
  /** Passes over everything, since the start. */
  readonly full: readonly PassReport[];
}

async function start(first: readonly Change[], node: () => NodeView): Promise<World> {
  const cluster = new ClusterState();
  const tables = new FakeTables({ slots: SLOTS });
  for (const table of [tables.frontends, tables.members, tables.servicePorts]) inPieces(table);
  const full: PassReport[] = [];
  const passed = (pass: PassReport) => {
    if (pass.isFull && pass.services > 0) full.push(pass);
  };
  const reconciler = new Reconciler(cluster, tables, { ...SILENT, passed }, node);
  for (const change of first) tell(cluster, change);
  await reconciler.reconcileAll();
  full.length = 0;
  return { cluster, tables, reconciler, full };
}

function inPieces(table: { batches(size: number): Iterable<unknown> }): void {
  const walk = table.batches.bind(table);
  table.batches = () => walk(PIECE);
}

/** Audits, with the next of `events` after each read, until none is left and an audit comes to its end. @returns its repairs. */
async function auditAmid(
  { tables, reconciler }: World,
  events: (() => void)[],
  refusals: Iterator<number>,
): Promise<number> {
  let repairs = 0;
  for (;;) {
    const isLast = events.length === 0;
    tables.beforeRead = () => {
      // The slice is over, and something happens before the next one.
      makeRetriesDue();
      setImmediate(() => events.shift()?.());
      return refusals.next().value === 0 ? ENOMEM : undefined;
    };
    try {
      repairs += (await reconciler.audit()).repairs;
      if (isLast) return repairs;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    } finally {
      tables.beforeRead = () => undefined;
    }
  }
}

test('what passes write between the pieces of an audit is no repair, and stays', async (t) => {
  let audits = 0;
  await fc.assert(
    fc.asyncProperty(histories, nodes, dice, async (history, node, refusals) => {
      const world = await start(history[0] ?? [], node);
      const { cluster, tables, reconciler, full } = world;
      const all = await Promise.all(
        history.map((_, i) => freshRows(history.slice(0, i + 1), node)),
      );
      tables.afterWrite = () => {
        const asked = tables.beforeRead;
        tables.beforeRead = () => undefined;
        assertNone(brokenLookups(tables));
        for (const [dialled, row] of frontendRows(tables)) {
          const known = all.some((rows) => withoutRanges(rows.get(dialled)) === withoutRanges(row));
          assert.ok(known, `${row} is of no time`);
        }
        tables.beforeRead = asked;
      };
      const events = history.slice(1).map((changes) => () => {
        audits++;
        for (const change of changes) tell(cluster, change);
      });
      assert.equal(await auditAmid(world, events, refusals), 0);
      await reconciler.reconcileChanges();
      assert.deepEqual(full, []);
      assert.deepEqual(reconciler.failures, []);
      assert.deepEqual(frontendRows(tables), all.at(-1));
      assertNone([...brokenLookups(tables), ...leftOvers(tables)]);
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  );
  t.log(`${audits} changes in the middle of an audit`);
  t.true(audits > RUNS);
});

test('somebody else writes between the pieces, too: audits mend it', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      histories,
      nodes,
      fc.array(hands, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.boolean()),
      dice,
      async (...[history, node, others, turns, refusals]) => {
        const world = await start(history[0] ?? [], node);
        const { cluster, tables, reconciler } = world;
        const changes = history.slice(1).map((some) => () => {
          for (const change of some) tell(cluster, change);
        });
        const strange = others.map((hand) => () => hand.on(tables));
        const events: (() => void)[] = [];
        while (changes.length + strange.length) {
          const event = (turns.next().value ? changes : strange).shift();
          if (event) events.push(event);
        }
        await auditAmid(world, events, refusals);
        await reconciler.reconcileChanges();
        await reconciler.audit();
        assert.deepEqual(reconciler.failures, []);
        assert.deepEqual(frontendRows(tables), await freshRows(history, node));
        assertNone([...brokenLookups(tables), ...leftOvers(tables)]);
        assert.deepEqual(await reconciler.audit(), { repairs: 0 });
      },
    ),
    { numRuns: RUNS, includeErrorInReport: true },
  );
  t.pass();
});
