// SPDX-License-Identifier: Apache-2.0
// How long to wait after a failure, and before a new list. Used by the reflector.

interface BackoffRange {
  readonly firstMs: number;
  readonly longestMs: number;
}

/** After a failure. */
const FAILURES: BackoffRange = { firstMs: 200, longestMs: 30_000 };

export interface Backoff {
  /** Milliseconds to wait after one more failure: doubles from first to longest, and is spread over its upper half. */
  next(): number;
  /** After a success. */
  reset(): void;
}

/** @param random from 0 to 1: many agents that lose one server must not come back in step. */
export function createBackoff(random: () => number, range: BackoffRange = FAILURES): Backoff {
  let failures = 0;
  return {
    next() {
      const longest = Math.min(range.firstMs * 2 ** failures, range.longestMs);
      failures += 1;
      return longest * (0.5 + random() / 2);
    },
    reset() {
      failures = 0;
    },
  };
}

const LEAST_SPREAD_MS = 2_000;
const MOST_SPREAD_MS = 30_000;
/** What an object adds to the time over which the nodes of a cluster spread their lists of it. */
const SPREAD_PER_OBJECT_MS = 1;

/**
 * Milliseconds to wait before a list that every node of the cluster may be about to ask for, because the server has lost
 * its history: any time up to 2 s, up to 30 s where there are many objects.
 *
 * @param objects how many the last list had.
 * @param random from 0 to 1.
 */
export function relistDelay(objects: number, random: () => number): number {
  const overMs = Math.max(LEAST_SPREAD_MS, objects * SPREAD_PER_OBJECT_MS);
  return Math.min(overMs, MOST_SPREAD_MS) * random();
}
