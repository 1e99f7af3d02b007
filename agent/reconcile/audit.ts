// SPDX-License-Identifier: Apache-2.0
// Reads the kernel back and mends what is not as it was left. Called by the reconciler; passes go on between the pieces.

import { setImmediate } from 'node:timers/promises';
import type { ClusterState } from '../model/cluster-state.ts';
import type { ObjectKey } from '../model/objects.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import { STEP_ORDER, type Steps, stepCount } from '../plan/plan.ts';
import { SlotAllocator } from '../plan/slot-allocator.ts';
import { isSomethingElse } from './comparison.ts';
import type { CoolingRuns } from './cooling-runs.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { AuditReport, ReconcilerObserver } from './observer.ts';
import { restoreInParts } from './restore.ts';
import type { RetryQueue } from './retry-queue.ts';
import { inSlices, untilAborted } from './slices.ts';

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
  /** A pass over what is due, if anything is. */
  readonly passDue: () => Promise<void>;
}

/** Of a pass that found all as it is to be. */
const NOTHING_CHANGED = {
  services: 0,
  changed: new Set<ObjectKey>(),
  udpBackendsGone: 0,
  failures: [],
} as const;

/** How a look at the tables came out. */
interface Look {
  readonly found: 'as recorded' | 'something else' | 'called off';
  /** Without the passes in between. */
  readonly durationMs: number;
  /** The same as the main thread's share of a CPU. */
  readonly cpuMs: number;
}

/** Nobody has to look. */
const CUT_SHORT: Look = { found: 'something else', durationMs: 0, cpuMs: 0 };

export interface AuditOutcome extends AuditReport {
  /** What it took to look, without mending. */
  readonly cpuMs: number;
}

/**
 * Looks piece by piece, with passes in between. Only where something differs do they wait: then all is read again, in
 * peace, and every Service held against it.
 *
 * @param isCutShort it is known already that the tables are not as recorded.
 * @param signal calls it off while it looks.
 */
export async function audit(
  audited: Audited,
  isCutShort: boolean,
  signal: AbortSignal,
): Promise<AuditOutcome> {
  const ofNode = audited.auditNode();
  const { found, durationMs, cpuMs } = isCutShort ? CUT_SHORT : await look(audited, signal);
  if (found === 'called off') return { repairs: ofNode, cpuMs };
  if (found === 'something else') return { repairs: await mend(audited, ofNode), cpuMs };
  const { observer, passDue } = audited;
  observer.passed({ ...NOTHING_CHANGED, isFull: true, steps: ofNode, durationMs });
  observer.audited({ repairs: ofNode });
  await passDue();
  return { repairs: ofNode, cpuMs };
}

async function look(audited: Audited, signal: AbortSignal): Promise<Look> {
  const { tables, actual, cooling, slots, passDue } = audited;
  const took = { durationMs: 0, cpuMs: 0 };
  let [begunMs, cpuBefore] = [performance.now(), process.threadCpuUsage()];
  const paused = () => {
    const { user, system } = process.threadCpuUsage(cpuBefore);
    took.durationMs += performance.now() - begunMs;
    took.cpuMs += (user + system) / 1000;
  };
  const looking = isSomethingElse(tables, actual);
  try {
    const isElse = await inSlices(untilAborted(looking, signal), async () => {
      paused();
      await setImmediate();
      await passDue();
      [begunMs, cpuBefore] = [performance.now(), process.threadCpuUsage()];
    });
    paused();
    if (isElse === undefined) return { found: 'called off', ...took };
    const waiting = cooling.runs.reduce((count, run) => count + run.count, 0);
    // Slots that nothing names and nobody waits for were lost to a run that somebody had damaged.
    const areLost = actual.slotsNamed + waiting !== slots.used;
    return { found: isElse || areLost ? 'something else' : 'as recorded', ...took };
  } finally {
    // A pass that was cut short leaves it where it was.
    looking.return(false);
  }
}

/** @returns how many writes it took, with those that it took already. */
async function mend(audited: Audited, ofNode: number): Promise<number> {
  const { cluster, tables, observer, retries, cooling, pass } = audited;
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
  const repairs = stepsBut(meanwhile, steps) + ofNode;
  observer.audited({ repairs });
  const left = new Set([...changed, ...meanwhile]);
  if (left.size) await pass(left);
  return repairs;
}

/** How many of `steps` are for other Services than `services`. */
function stepsBut(services: ReadonlySet<ObjectKey>, steps: Steps): number {
  if (!services.size) return stepCount(steps);
  return STEP_ORDER.reduce(
    (count, kind) => count + steps[kind].filter(({ service }) => !services.has(service)).length,
    0,
  );
}
