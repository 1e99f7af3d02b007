// SPDX-License-Identifier: Apache-2.0
// Long work gives way: to whatever else the process has to do, and to changes of the cluster, of which none is
// lost or taken for somebody else's hand.

import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import type { AuditReport } from '../../../agent/reconcile/observer.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { inSlices, untilAborted } from '../../../agent/reconcile/slices.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { rowsOf } from '../../helpers/table-view.ts';

/** Takes `ms` in each of `parts`. */
function* busy(parts: number, ms: number): Generator<void, string> {
  for (let i = 0; i < parts; i++) {
    const begunMs = performance.now();
    while (performance.now() - begunMs < ms);
    yield;
  }
  return 'done';
}

/** Counts the turns of the event loop until `work` ends. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await nextTurn();
    turns++;
  }
  await over;
  return turns;
}

test('others have their turn between slices, and the result is handed on', async (t) => {
  const work = inSlices(busy(5, 20));
  t.true((await turnsDuring(work)) >= 5);
  t.is(await work, 'done');
});

test('what throws in a slice is thrown', async (t) => {
  function* failing(): Generator<void, never> {
    yield* busy(1, 20);
    throw new Error('broken');
  }
  await t.throwsAsync(inSlices(failing()), { message: 'broken' });
});

test('what is called off gives back what it has opened, and goes no further', async (t) => {
  const stop = new AbortController();
  const seen: string[] = [];
  function* work(): Generator<void, string> {
    try {
      for (const step of ['one', 'two', 'three']) {
        seen.push(step);
        if (step === 'two') stop.abort();
        yield;
      }
    } finally {
      seen.push('closed');
    }
    return 'done';
  }
  t.is(await inSlices(untilAborted(work(), stop.signal)), undefined);
  t.deepEqual(seen, ['one', 'two', 'closed']);
  t.is(await inSlices(untilAborted(busy(2, 0), new AbortController().signal)), 'done');
});

const SERVICES = 10_000;

/** A cluster so large that no pass over it is one slice. */
async function largeCluster() {
  const cluster = new ClusterState();
  const tables = new FakeTables();
  const audits: AuditReport[] = [];
  const observer = { passed() {}, audited: (report: AuditReport) => void audits.push(report) };
  const has = (index: number, ...endpoints: string[]) => {
    const name = `s${index}`;
    const spec = service(`a/${name}`, [addressOf(index)], ['TCP:80']);
    cluster.upsertService(`a/${name}`, { spec });
    const key: ObjectKey = `a/${name}-1`;
    cluster.upsertEndpointSlice(key, { spec: slice(key, name, ['TCP:8080'], endpoints) });
  };
  for (let i = 0; i < SERVICES; i++) has(i, '10.1.0.1');
  const reconciler = new Reconciler(cluster, tables, observer);
  const rowOf = (index: number) =>
    rowsOf(tables).find((row) => row.startsWith(`a/s${index}: TCP ${addressOf(index)}:80 `));
  return { cluster, reconciler, tables, audits, has, rowOf };
}

function addressOf(index: number): string {
  return `10.96.${index >> 8}.${index & 255}`;
}

const LAST = SERVICES - 1;

test('a pass over many Services gives way; a change that comes meanwhile is in the tables after the next', async (t) => {
  const { reconciler, tables, has, rowOf } = await largeCluster();
  tables.afterWrite = () => {
    // What is written was decided before.
    tables.afterWrite = () => {};
    has(0, '10.1.0.2');
  };
  const pass = reconciler.reconcileAll();
  await nextTurn();
  has(LAST, '10.1.0.3');
  await pass;
  t.regex(rowOf(0) ?? '', /-> 10\.1\.0\.1:8080$/);
  // It had not been looked at when it changed: the pass was not one piece.
  t.regex(rowOf(LAST) ?? '', /-> 10\.1\.0\.3:8080$/);
  await reconciler.reconcileChanges();
  t.regex(rowOf(0) ?? '', /-> 10\.1\.0\.2:8080$/);
  t.regex(rowOf(LAST) ?? '', /-> 10\.1\.0\.3:8080$/);
});

test('what changes while an audit looks is made by it and is no repair', async (t) => {
  const { reconciler, audits, has, rowOf } = await largeCluster();
  await reconciler.reconcileAll();
  const audit = reconciler.audit();
  // Another one each time: what changes before the audit looks at Services is left to the pass behind it.
  let changes = 0;
  while (!audits.length) {
    await nextTurn();
    has(LAST - changes++, '10.1.0.2');
  }
  t.deepEqual(await audit, { repairs: 0 });
  await reconciler.reconcileChanges();
  t.regex(rowOf(LAST) ?? '', /-> 10\.1\.0\.2:8080$/);
  t.regex(rowOf(LAST - changes + 1) ?? '', /-> 10\.1\.0\.2:8080$/);
});
