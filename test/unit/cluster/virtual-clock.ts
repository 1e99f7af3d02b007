// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until a test lets it run: an hour passes as fast as what is done in it. Used by the tests of
// the reflector that take long.

import type { Timing } from '../../../agent/cluster/watch-timing.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export class VirtualClock {
  #nowMs = 0;
  readonly #sleepers = new Set<Sleeper>();

  now(): number {
    return this.#nowMs;
  }

  /** Resolves when it is `ms` later, or as soon as `signal` aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { atMs: this.#nowMs + ms, wake };
      this.#sleepers.add(sleeper);
      return signal?.addEventListener('abort', wake);
    });
  }

  /** Lets `ms` pass: whenever nobody has anything left to do, the next one is woken. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const next = this.#next();
      if (!next || next.atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#nowMs = untilMs;
  }

  #next(): Sleeper | undefined {
    let next: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (!next || sleeper.atMs < next.atMs) next = sleeper;
    return next;
  }
}

/** Timing as the agent has it, by `clock`. @param random from 0 to 1. */
export function virtualTiming(clock: VirtualClock, random: () => number): Timing {
  return {
    random,
    now: () => clock.now(),
    pause: (ms, signal) => clock.pause(ms, signal),
    graceMs: 30_000,
    shortWatchMs: 1_000,
    steadyMs: 10_000,
    quietMs: 90_000,
  };
}

/** What is left to do by itself is done: promises, and what they have begun. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
}
