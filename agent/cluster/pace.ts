// SPDX-License-Identifier: Apache-2.0
// Keeps requests apart: `burst` of them at once, then `qps` in a second, each in its turn, as client-go's rate limiter
// does. Used by api-client.ts for what the agent writes.

import { pause } from './pause.ts';

export interface PaceOptions {
  /** Infinity: no limit. */
  readonly qps: number;
  readonly burst: number;
}

export class Pace {
  readonly #intervalMs: number;
  readonly #headStartMs: number;
  /** When the last request that was let through would have been due without the burst. */
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor({ qps, burst }: PaceOptions) {
    this.#intervalMs = 1000 / qps;
    this.#headStartMs = burst * this.#intervalMs;
  }

  /** Takes the next turn. @param nowMs of a clock that never goes back. @returns how long to wait for it. */
  turn(nowMs: number): number {
    this.#dueMs = Math.max(this.#dueMs, nowMs - this.#headStartMs) + this.#intervalMs;
    return Math.max(0, this.#dueMs - nowMs);
  }

  /** Resolves when it is one's turn, or as soon as `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = this.turn(performance.now());
    if (ms > 0) await pause(ms, signal);
  }
}
