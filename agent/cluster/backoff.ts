// SPDX-License-Identifier: Apache-2.0
// How long to wait after a failure. Used by the reflector.

const FIRST_MS = 200;
const LONGEST_MS = 30_000;

export interface Backoff {
  /** Milliseconds to wait after one more failure: doubles from 0.2 s to 30 s, and is spread over its upper half. */
  next(): number;
  /** After a success. */
  reset(): void;
}

/** @param random from 0 to 1: many agents that lose one server must not come back in step. */
export function createBackoff(random: () => number): Backoff {
  let failures = 0;
  return {
    next() {
      const longest = Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
      failures += 1;
      return longest * (0.5 + random() / 2);
    },
    reset() {
      failures = 0;
    },
  };
}
