// SPDX-License-Identifier: Apache-2.0
// Services with a refused step: when to try each again, and what to say about it meanwhile.

import type { ObjectKey } from '../model/objects.ts';
import type { Failure } from './apply.ts';
import type { Fill } from './full-tables.ts';

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 60_000;

interface Waiting {
  readonly failure: Failure;
  readonly attempts: number;
  readonly dueMs: number;
}

export class RetryQueue {
  readonly #waiting = new Map<ObjectKey, Waiting>();
  readonly #longestMs: number;
  readonly #nowMs: () => number;

  /** @param longestMs the longest time between two attempts. */
  constructor(longestMs = LONGEST_DELAY_MS, nowMs: () => number = () => performance.now()) {
    this.#longestMs = longestMs;
    this.#nowMs = nowMs;
  }

  get failures(): readonly Failure[] {
    return [...this.#waiting.values()].map(({ failure }) => failure);
  }

  /** After an attempt at `services`: those without a failure are done, the others wait longer each time. */
  record(services: Iterable<ObjectKey>, failures: readonly Failure[]): void {
    const failed = new Map(failures.map((failure) => [failure.service, failure]));
    for (const service of services) {
      const failure = failed.get(service);
      const attempts = this.#waiting.get(service)?.attempts ?? 0;
      if (failure) {
        const delayMs = Math.min(FIRST_DELAY_MS * 2 ** attempts, this.#longestMs);
        this.#waiting.set(service, {
          failure,
          attempts: attempts + 1,
          dueMs: this.#nowMs() + delayMs,
        });
      } else {
        this.#waiting.delete(service);
      }
    }
  }

  /**
   * There is room in tables again: those that did not fit are due, but no more of them than there may be room for. Those
   * that were tried least come first.
   */
  hurry(room: Fill): void {
    if (!this.#waiting.size) return;
    const nowMs = this.#nowMs();
    for (const [table, entries] of room) {
      const lacking = [...this.#waiting].filter(([, { failure }]) => failure.full?.table === table);
      lacking.sort(([, one], [, other]) => one.attempts - other.attempts);
      for (const [service, waiting] of lacking.slice(0, entries))
        this.#waiting.set(service, { ...waiting, dueMs: nowMs });
    }
  }

  /** Services whose time has come. They stay listed as failed until an attempt succeeds. */
  takeDue(): ObjectKey[] {
    const nowMs = this.#nowMs();
    return [...this.#waiting].filter(([, { dueMs }]) => dueMs <= nowMs).map(([service]) => service);
  }

  /** Time until the first is due; undefined when none waits. */
  nextInMs(): number | undefined {
    if (!this.#waiting.size) return undefined;
    let firstMs = Infinity;
    for (const { dueMs } of this.#waiting.values()) firstMs = Math.min(firstMs, dueMs);
    return Math.max(0, firstMs - this.#nowMs());
  }
}
