// SPDX-License-Identifier: Apache-2.0
// Reads the kernel back and mends what is not as it was left. Called by the reconciler, between its passes.

import type { ClusterState } from '../model/cluster-state.ts';
import type { ObjectKey } from '../model/objects.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import { STEP_ORDER, type Steps, stepCount } from '../plan/plan.ts';
import { SlotAllocator } from '../plan/slot-allocator.ts';
import { slotsWhereAsRecorded } from './comparison.ts';
import type { CoolingRuns } from './cooling-runs.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { AuditReport, ReconcilerObserver } from './observer.ts';
import { restoreInParts } from './restore.ts';
import type { RetryQueue } from './retry-queue.ts';
import { inSlices } from './slices.ts';

/** What there is to audit, and what it takes: the reconciler's. */
export interface Audited {
  readonly cluster: ClusterState;
  readonly tables: KernelTables;
  readonly observer: ReconcilerObserver;
  readonly retries: RetryQueue;
  readonly cooling: CoolingRuns;
  /** What the tables are taken to hold; an audit puts in its place what it has read. */
  actual: ActualTables;
  slots: SlotAllocator;
  /** @returns how many writes it took to mend the node's own tables. */
  readonly auditNode: () => number;
  readonly pass: (dirty: Set<ObjectKey>, isFull?: boolean) => Promise<{ readonly steps: Steps }>;
}

/** Of a pass that found all as it is to be. */
const NOTHING_CHANGED = {
  services: 0,
  changed: new Set<ObjectKey>(),
  udpBackendsGone: 0,
  failures: [],
} as const;

export async function audit(audited: Audited): Promise<AuditReport> {
  const { cluster, tables, observer, retries, cooling, pass } = audited;
  const startedMs = performance.now();
  const ofNode = audited.auditNode();
  if (await areTablesAsRecorded(audited)) {
    const report = { repairs: ofNode };
    const durationMs = performance.now() - startedMs;
    observer.passed({ ...NOTHING_CHANGED, isFull: true, steps: ofNode, durationMs });
    observer.audited(report);
    const changed = cluster.takeDirty();
    if (changed.size) await pass(changed);
    return report;
  }
  const { actual, runs } = await inSlices(restoreInParts(tables, cooling.runs));
  audited.actual = actual;
  // Of the runs that cooled before, some may be free by now.
  audited.slots = new SlotAllocator(tables.slots.capacity, [...runs, ...cooling.runs]);
  const changed = cluster.takeDirty();
  const services = new Set([...cluster.services(), ...actual.services()]);
  const pending = [...changed, ...retries.failures.map(({ service }) => service)];
  for (const service of pending) services.delete(service);
  const { steps } = await pass(services, true).catch((error: unknown) => {
    cluster.markDirty(changed);
    throw error;
  });
  // What changed while the pass was under way may have been taken up by it, and is no repair.
  const meanwhile = cluster.takeDirty();
  const report = { repairs: stepsBut(meanwhile, steps) + ofNode };
  observer.audited(report);
  const left = new Set([...changed, ...meanwhile]);
  if (left.size) await pass(left);
  return report;
}

async function areTablesAsRecorded({ tables, actual, cooling, slots }: Audited): Promise<boolean> {
  const named = await inSlices(slotsWhereAsRecorded(tables, actual));
  const waiting = cooling.runs.reduce((count, run) => count + run.count, 0);
  // Slots that nothing names and nobody waits for were lost to a run that somebody had damaged.
  return named !== undefined && named + waiting === slots.used;
}

/** How many of `steps` are for other Services than `services`. */
function stepsBut(services: ReadonlySet<ObjectKey>, steps: Steps): number {
  if (!services.size) return stepCount(steps);
  return STEP_ORDER.reduce(
    (count, kind) => count + steps[kind].filter(({ service }) => !services.has(service)).length,
    0,
  );
}
