// SPDX-License-Identifier: Apache-2.0
// When to do what: everything once the watches are in sync, then each change as it comes, failures when their
// time has come, and an audit now and then.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterState } from '../model/cluster-state.ts';
import { KernelError } from '../sys/libbpf/kernel-error.ts';
import type { Reconciler } from './reconciler.ts';
import type { Wakeup } from './wakeup.ts';

/** How long what the API server says of the node is waited for: kube-proxy's time, too (semantics 1.2). */
export const NODE_WAIT_MS = 30_000;

/** Until an audit that was refused is made again: twice as long each time. */
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 60_000;

/** Told when changes are taken up, and when they are done with. Must not throw. */
export interface LoopProgress {
  /** All that has changed by now is taken up. */
  begun(): void;
  /** What was taken up is in the tables, or has been refused. */
  ended(): void;
}

export interface LoopOptions {
  readonly cluster: ClusterState;
  readonly reconciler: Reconciler;
  /** Rings when the cluster state changes. */
  readonly changed: Wakeup;
  /** From one audit to the next, at least. */
  readonly auditEveryMs: number;
  /** And so many times what the last one took of a CPU to look: 1,000 are a thousandth of one, however large the tables. */
  readonly auditRest?: number;
  /** The longest time until what came to nothing is begun again. */
  readonly longestRetryMs?: number;
  /** Runs once, when the tables are complete for the first time. */
  readonly onComplete: () => Promise<void>;
  readonly progress?: LoopProgress;
  /** Told why a pass or an audit came to nothing; undefined once one has come to its end. Must not throw. */
  readonly onRefused?: (message: string | undefined) => void;
  readonly signal: AbortSignal;
}

/** Runs until `signal` aborts. What it throws is a bug, or what `onComplete` does. */
export async function runLoop(options: LoopOptions): Promise<void> {
  const { cluster, reconciler, changed, auditEveryMs, auditRest = 0, onComplete, signal } = options;
  const attempts = new Attempts(options);
  const deadlineMs = performance.now() + NODE_WAIT_MS;
  while (!signal.aborted && !cluster.settled) {
    const leftMs = deadlineMs - performance.now();
    if (cluster.synced && leftMs <= 0) break;
    await changed.wait(leftMs > 0 ? leftMs : auditEveryMs, signal);
  }
  if (signal.aborted) return;
  let isDone = await attempts.make(() => reconciler.reconcileAll());
  while (!isDone) {
    await attempts.pause(signal);
    if (signal.aborted) return;
    isDone = await attempts.make(() => reconciler.audit(signal));
  }
  await onComplete();
  let auditAtMs = performance.now() + auditEveryMs;
  while (!signal.aborted) {
    const untilAuditMs = Math.max(0, auditAtMs - performance.now());
    const untilRetryMs = reconciler.isCutShort ? Infinity : reconciler.retryInMs;
    await changed.wait(Math.min(untilAuditMs, untilRetryMs ?? Infinity), signal);
    if (signal.aborted) return;
    if (performance.now() >= auditAtMs) {
      const isAudited = await attempts.make(() => reconciler.audit(signal));
      const restMs = Math.max(auditEveryMs, auditRest * reconciler.auditCpuMs);
      auditAtMs = performance.now() + (isAudited ? restMs : attempts.delayMs);
    } else if (!reconciler.isCutShort) {
      const isPassed = await attempts.make(() => reconciler.reconcileChanges());
      if (!isPassed) auditAtMs = performance.now() + attempts.delayMs;
    }
  }
}

/** Passes and audits, in which the kernel may refuse to be read: told, and made again later and later. */
class Attempts {
  readonly #progress: LoopProgress | undefined;
  readonly #onRefused: ((message: string | undefined) => void) | undefined;
  readonly #longestMs: number;
  #refused = 0;

  constructor({
    progress,
    onRefused,
    longestRetryMs = LONGEST_DELAY_MS,
  }: Pick<LoopOptions, 'progress' | 'onRefused' | 'longestRetryMs'>) {
    this.#progress = progress;
    this.#longestMs = longestRetryMs;
    this.#onRefused = onRefused;
  }

  /** @returns whether it came to its end. */
  async make(work: () => Promise<unknown>): Promise<boolean> {
    this.#progress?.begun();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#refused++;
      this.#onRefused?.(error.message);
      return false;
    } finally {
      this.#progress?.ended();
    }
    if (this.#refused > 0) this.#onRefused?.(undefined);
    this.#refused = 0;
    return true;
  }

  /** How long to leave it, by now. */
  get delayMs(): number {
    return Math.min(FIRST_DELAY_MS * 2 ** (this.#refused - 1), this.#longestMs);
  }

  async pause(signal: AbortSignal): Promise<void> {
    await sleep(this.delayMs, undefined, { signal }).catch(() => {});
  }
}
