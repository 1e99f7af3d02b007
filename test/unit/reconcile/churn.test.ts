// SPDX-License-Identifier: Apache-2.0
// An hour of churn, compressed: Services come and go and their endpoints change as fast as the tables can be written, audits
// beside it, and what is held of them in memory stays what one cluster of that size needs. CHURN_CHANGES says how many; an
// hour at 200 a second are 720,000.

import { setImmediate as nextTurn } from 'node:timers/promises';
import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { KernelTables } from '../../../agent/reconcile/kernel-tables.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { heapAfterCollection } from '../../faults/process-gauge.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { brokenLookups, leftOvers, rowsOf, slotsNeeded } from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

const CHANGES = Number(process.env.CHURN_CHANGES ?? 20_000);
const SERVICES = 500;
/** Taken up together, as at 200 a second by passes of some milliseconds. */
const PER_PASS = 4;
/** From one audit to the next. */
const AUDIT_EVERY = 500;
/** A Service goes and comes again, in place of a change of its endpoints. */
const GONE_EVERY = 10;
const QUARTERS = 4;
/** A heap is never quite the same. */
const SLACK_BYTES = 2e6;

/** What changes, from a seed: each run is the same. */
class Churn {
  readonly #cluster: ClusterState;
  readonly #gone = new Set<number>();
  #count = 0;
  #state = 1;

  constructor(cluster: ClusterState) {
    this.#cluster = cluster;
    for (let index = 0; index < SERVICES; index++) this.#come(index);
  }

  change(): void {
    const index = this.#random(SERVICES);
    if (this.#gone.has(index)) this.#come(index);
    else if (this.#count++ % GONE_EVERY === 0) this.#go(index);
    else this.#endpoints(index);
  }

  /** Everything is there. */
  complete(): void {
    for (const index of [...this.#gone]) this.#come(index);
  }

  #come(index: number): void {
    this.#gone.delete(index);
    const ip = `10.96.${index >> 8}.${index & 255}`;
    const ports = ['http/TCP:80', 'dns/UDP:53'] as const;
    const affinityTimeoutSeconds = index % 5 === 0 ? 10 : 0;
    const spec = service(`a/s${index}`, [ip], ports, undefined, { affinityTimeoutSeconds });
    this.#cluster.upsertService(`a/s${index}`, { spec });
    this.#endpoints(index);
  }

  #go(index: number): void {
    this.#gone.add(index);
    this.#cluster.remove('Service', `a/s${index}`);
    this.#cluster.remove('EndpointSlice', `a/s${index}-1`);
  }

  #endpoints(index: number): void {
    const ips = Array.from(
      { length: 1 + this.#random(5) },
      () => `10.244.${this.#random(200)}.${this.#random(250)}`,
    );
    const ports = ['http/TCP:8080', 'dns/UDP:53'] as const;
    const spec = slice(`a/s${index}-1`, `s${index}`, ports, [...new Set(ips)]);
    this.#cluster.upsertEndpointSlice(`a/s${index}-1`, { spec });
  }

  /** Lehmer's generator. */
  #random(below: number): number {
    this.#state = (this.#state * 48271) % 2147483647;
    return this.#state % below;
  }
}

test('as many changes as an hour has: nothing piles up', async (t) => {
  if (!requireRoot(t)) return;
  const tables: KernelTables = openRealTables(t);
  const cluster = new ClusterState();
  const churn = new Churn(cluster);
  const repairs: number[] = [];
  const observer = {
    ...SILENT,
    audited: (audit: { repairs: number }) => void repairs.push(audit.repairs),
  };
  const reconciler = new Reconciler(cluster, tables, observer);
  await reconciler.reconcileAll();
  const heaps: number[] = [];
  const begunMs = performance.now();
  let passes = 0;
  for (let quarter = 0; quarter < QUARTERS; quarter++) {
    for (let done = 0; done < CHANGES / QUARTERS; done += PER_PASS) {
      for (let i = 0; i < PER_PASS; i++) churn.change();
      await reconciler.reconcileChanges();
      if (++passes % AUDIT_EVERY === 0) await reconciler.audit();
      await nextTurn();
    }
    churn.complete();
    await reconciler.reconcileChanges();
    await until('slots are given back', () => reconciler.slotsUsed === slotsNeeded(tables));
    heaps.push(heapAfterCollection());
  }
  const [, half = 0, , end = 0] = heaps;
  const seconds = (performance.now() - begunMs) / 1000;
  t.log(
    `${CHANGES} changes in ${seconds.toFixed(1)} s; heap ${heaps.map((bytes) => (bytes / 1e6).toFixed(1)).join(', ')} MB; ` +
      `${tables.slots.capacity} slots`,
  );
  t.true(end < half * 1.1 + SLACK_BYTES, heaps.join());
  t.true(repairs.length > 0);
  t.deepEqual(new Set(repairs), new Set([0]));
  t.deepEqual(reconciler.failures, []);
  t.deepEqual([...brokenLookups(tables), ...leftOvers(tables)], []);
  const fresh = new FakeTables({ slots: 4096 });
  cluster.markDirty(cluster.services());
  await new Reconciler(cluster, fresh, SILENT).reconcileAll();
  t.deepEqual(rowsOf(tables), rowsOf(fresh));
});
