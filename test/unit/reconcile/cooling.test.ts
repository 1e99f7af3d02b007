// SPDX-License-Identifier: Apache-2.0
// A program that has read a frontend reads the slots a moment later: they are left alone until the kernel
// says that no such program is left.

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { CoolingRuns } from '../../../agent/reconcile/cooling-runs.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import type { IpPort, SlotRun } from '../../../agent/sys/layout.gen.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { slotsNeeded } from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

/** One Service whose two backends change with every call. */
function changing() {
  const cluster = new ClusterState();
  const tables = new FakeTables();
  const kept: (string | undefined)[] = [];
  const slotsKept = (why: string | undefined) => void kept.push(why);
  const reconciler = new Reconciler(cluster, tables, { ...SILENT, slotsKept });
  cluster.upsertService('a/web', { spec: service('a/web', ['10.96.0.1'], ['http/TCP:80']) });
  let n = 0;
  const change = async () => {
    n++;
    const endpoints = [`10.1.${n >> 8}.${n & 255}`, `10.2.${n >> 8}.${n & 255}`];
    const spec = slice('a/web-1', 'web', ['http/TCP:8080'], endpoints);
    cluster.upsertEndpointSlice('a/web-1', { spec });
    await reconciler.reconcileChanges();
  };
  /** What a program holds that has read the frontend and not yet the slots. */
  const read = () => {
    const values = tables.frontends.entries().map(([, value]) => value);
    const run = values.find(({ inside }) => inside.count > 0)?.inside as SlotRun;
    return { run, backends: slotsOf(tables, run) };
  };
  return { tables, reconciler, change, read, kept };
}

function slotsOf(tables: FakeTables, { first, count }: SlotRun): (IpPort | undefined)[] {
  return Array.from({ length: count }, (_, i) => tables.slots.at(first + i));
}

test('slots that a program may still read are not written before the kernel has settled', async (t) => {
  const { tables, reconciler, change, read } = changing();
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
  tables.slots.settled = settled;
  const readers: ReturnType<typeof read>[] = [];
  for (let more = 20; more > 0; more -= Math.min(tables.slots.settleCalls, 1)) {
    await change();
    readers.push(read());
    await sleep(20);
  }
  for (const { run, backends } of readers) t.deepEqual(slotsOf(tables, run), backends);
  const before = tables.slots.capacity;
  t.true(before >= 2 * readers.length);
  settle();
  await until('slots are given back', () => reconciler.slotsUsed === slotsNeeded(tables));
  for (const _ of readers) await change();
  t.is(tables.slots.capacity, before);
});

test('slots of which the kernel does not say so stay set aside', async (t) => {
  const { tables, reconciler, change, read, kept } = changing();
  const settled = Promise.reject(new Error('EINTR'));
  settled.catch(() => {});
  tables.slots.settled = settled;
  await change();
  const reader = read();
  await change();
  await until('it is told', () => kept.length > 0);
  t.deepEqual(kept, ['EINTR']);
  t.is(reconciler.slotsUsed, 4);
  await reconciler.audit();
  t.is(reconciler.slotsUsed, 4);
  t.deepEqual(slotsOf(tables, reader.run), reader.backends);
  tables.slots.settled = Promise.resolve();
  await until('slots are given back', () => reconciler.slotsUsed === slotsNeeded(tables));
  t.is(kept.at(-1), undefined);
});

test('more runs than a call has room for arguments cool', (t) => {
  const cooling = new CoolingRuns(
    () => Promise.resolve(),
    () => {},
  );
  cooling.add(Array.from({ length: 200_000 }, (_, first) => ({ first, count: 1 })));
  t.is(cooling.runs.length, 200_000);
});

test('an audit keeps what cools', async (t) => {
  const { tables, reconciler, change, read } = changing();
  await change();
  const reader = read();
  await change();
  await reconciler.audit();
  t.is(reconciler.slotsUsed, 4);
  for (let i = 0; i < 5; i++) await change();
  t.deepEqual(slotsOf(tables, reader.run), reader.backends);
  await until('slots are given back', () => reconciler.slotsUsed === slotsNeeded(tables));
});
