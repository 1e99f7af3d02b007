// SPDX-License-Identifier: Apache-2.0
// Chance and time as the reflector has them, which tests decide themselves.

import { pause } from './pause.ts';

export interface Timing {
  /** From 0 to 1. */
  random(): number;
  /** Milliseconds, of a clock that never goes back. */
  now(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** How much longer than the server promised a watch may last, or be silent. */
  readonly graceMs: number;
  /** A watch that ended sooner, and without an event, has failed. */
  readonly shortWatchMs: number;
  /** A watch that lasted so long was a good one: sooner, and failures go on to be waited for longer and longer. */
  readonly steadyMs: number;
  /** Less silence than that is never taken to be deafness. */
  readonly quietMs: number;
}

export const REAL_TIMING: Timing = {
  random: Math.random,
  now: () => performance.now(),
  pause,
  graceMs: 30_000,
  shortWatchMs: 1_000,
  steadyMs: 10_000,
  quietMs: 90_000,
};
