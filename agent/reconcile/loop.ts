// SPDX-License-Identifier: Apache-2.0
// When to do what: everything once the watches are in sync, then each change as it comes, failures when their
// time has come, and an audit now and then.

import type { ClusterState } from '../model/cluster-state.ts';
import type { Reconciler } from './reconciler.ts';
import type { Wakeup } from './wakeup.ts';

/** How long what the API server says of the node is waited for: kube-proxy's time, too (semantics 1.2). */
export const NODE_WAIT_MS = 30_000;

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
  readonly auditEveryMs: number;
  /** Runs once, when the tables are complete for the first time. */
  readonly onComplete: () => Promise<void>;
  readonly progress?: LoopProgress;
  readonly signal: AbortSignal;
}

/** Runs until `signal` aborts. What it throws is a bug or a lost table: nothing that a retry mends. */
export async function runLoop(options: LoopOptions): Promise<void> {
  const { cluster, reconciler, changed, auditEveryMs, onComplete, progress, signal } = options;
  const through = async (work: () => Promise<unknown>) => {
    progress?.begun();
    await work();
    progress?.ended();
  };
  const deadlineMs = performance.now() + NODE_WAIT_MS;
  while (!signal.aborted && !cluster.settled) {
    const leftMs = deadlineMs - performance.now();
    if (cluster.synced && leftMs <= 0) break;
    await changed.wait(leftMs > 0 ? leftMs : auditEveryMs, signal);
  }
  if (signal.aborted) return;
  await through(() => reconciler.reconcileAll());
  await onComplete();
  let auditAtMs = performance.now() + auditEveryMs;
  while (!signal.aborted) {
    const untilAuditMs = Math.max(0, auditAtMs - performance.now());
    await changed.wait(Math.min(untilAuditMs, reconciler.retryInMs ?? Infinity), signal);
    if (signal.aborted) return;
    if (performance.now() < auditAtMs) {
      await through(() => reconciler.reconcileChanges());
    } else {
      await through(() => reconciler.audit());
      auditAtMs = performance.now() + auditEveryMs;
    }
  }
}
