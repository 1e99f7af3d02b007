// SPDX-License-Identifier: Apache-2.0
// How far a proxy is, by its own metrics, which this one and kube-proxy have by the same names; and how much of its
// heap is in use. For the proxies of stations.ts.

import { setTimeout as sleep } from 'node:timers/promises';
import type { LabNode } from '../lab/lab-node.ts';
import { until } from '../lab/until.ts';

const METRICS_URL = 'http://127.0.0.1:10249/metrics';
/** Thousands of Services by iptables-nft take minutes. */
const PROGRAMMED_WITHIN_MS = 600_000;
/** It takes CPU to answer, which it needs for other things. */
const LOOK_EVERY_MS = 50;
/** What was stored together comes within this time, one after the other. */
const QUIET_MS = 250;
const FAMILIES = 2;
const HEAPS = ['nodejs_heap_size_used_bytes', 'go_memstats_heap_inuse_bytes'];

/** Dates in milliseconds since the epoch. */
export interface Progress {
  /** When the last change came of which it knows. */
  readonly queuedAtMs: number;
  /** When the last pass ended. */
  readonly passedAtMs: number;
  /** Each family has had a pass, and nothing waits for one. */
  readonly isIdle: boolean;
}

/**
 * Waits until it has taken up what was stored at `changedAtMs`, or before it began, and all that it knows of.
 *
 * @param startedAtMs when its process began.
 * @param check throws when there is nothing to wait for any more.
 * @returns when its last pass ended.
 */
export async function untilProgrammed(
  node: LabNode,
  times: { readonly startedAtMs: number; readonly changedAtMs: number },
  check: () => void,
): Promise<number> {
  const { startedAtMs, changedAtMs } = times;
  const isLate = changedAtMs >= startedAtMs;
  let seen = '';
  return until(
    `the proxy on ${node.name} has programmed everything`,
    async () => {
      check();
      const metrics = await readMetrics(node).catch(() => undefined);
      const progress = metrics === undefined ? undefined : parseProgress(metrics);
      const isDone = progress?.isIdle && (!isLate || progress.passedAtMs >= changedAtMs);
      // What it read when it started is whole; what came later comes bit by bit.
      const now = JSON.stringify(progress);
      if (isDone && (!isLate || now === seen)) return progress.passedAtMs;
      seen = now;
      await sleep(isDone ? QUIET_MS : LOOK_EVERY_MS);
      return undefined;
    },
    PROGRAMMED_WITHIN_MS,
  );
}

/** MiB; undefined where it does not tell. */
export async function heapMiB(node: LabNode): Promise<number | undefined> {
  return parseHeapMiB(await readMetrics(node));
}

/** @param metrics in the text exposition format. Pure. */
export function parseProgress(metrics: string): Progress {
  const prefix = 'kubeproxy_sync_proxy_rules_';
  const passed = samples(metrics, `${prefix}last_timestamp_seconds`).filter((s) => s > 0);
  const queued = samples(metrics, `${prefix}last_queued_timestamp_seconds`);
  const pending = ['endpoint', 'service'].flatMap((kind) =>
    samples(metrics, `${prefix}${kind}_changes_pending`),
  );
  const [queuedAt, passedAt] = [Math.max(0, ...queued), Math.max(0, ...passed)];
  return {
    queuedAtMs: queuedAt * 1000,
    passedAtMs: passedAt * 1000,
    isIdle:
      passed.length === FAMILIES && passedAt >= queuedAt && pending.every((count) => count === 0),
  };
}

/** @param metrics in the text exposition format. Pure. */
export function parseHeapMiB(metrics: string): number | undefined {
  const [bytes] = HEAPS.flatMap((name) => samples(metrics, name));
  return bytes === undefined ? undefined : bytes / 2 ** 20;
}

function samples(metrics: string, name: string): number[] {
  const lines = metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'));
  return [...lines].map(([, value]) => Number(value));
}

async function readMetrics(node: LabNode): Promise<string> {
  return (await node.client.call('get', { url: METRICS_URL })).body;
}
