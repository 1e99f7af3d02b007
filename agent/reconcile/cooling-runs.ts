// SPDX-License-Identifier: Apache-2.0
// Runs that no frontend names any more, yet a program that has just read the frontend may still be reading:
// set aside until the kernel says that no such program is left, and for a while on top.

import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { SlotRun } from '../sys/layout.gen.ts';

/** Least time that a run is left alone; the longest is twice that and a grace period. */
const COOLING_MS = 1000;

export class CoolingRuns {
  readonly #settle: () => Promise<void>;
  readonly #release: (run: SlotRun) => void;
  readonly #onKept: (why: string | undefined) => void;
  #cold: SlotRun[] = [];
  #warm: SlotRun[] = [];
  #ticking = false;

  /**
   * @param settle resolves when no program can be reading what was unpublished before the call.
   * @param release takes each run once it may be written again.
   * @param onKept told why the kernel did not say so, each time; undefined each time that it did.
   */
  constructor(
    settle: () => Promise<void>,
    release: (run: SlotRun) => void,
    onKept: (why: string | undefined) => void = () => {},
  ) {
    this.#settle = settle;
    this.#release = release;
    this.#onKept = onKept;
  }

  get runs(): SlotRun[] {
    return [...this.#cold, ...this.#warm];
  }

  add(runs: readonly SlotRun[]): void {
    for (const run of runs) this.#warm.push(run);
    if (!this.#ticking && this.#warm.length) void this.#tick();
  }

  /** One timer and one grace period for all that cools, however many changes there are. */
  async #tick(): Promise<void> {
    this.#ticking = true;
    while (this.#cold.length + this.#warm.length) {
      await sleep(COOLING_MS, undefined, { ref: false });
      if (await this.#settled()) {
        const released = this.#cold;
        this.#cold = this.#warm;
        this.#warm = [];
        for (const run of released) this.#release(run);
      }
    }
    this.#ticking = false;
  }

  /** Where the kernel does not say so, everything stays set aside and is asked for again. */
  async #settled(): Promise<boolean> {
    if (!this.#cold.length) return true;
    try {
      await this.#settle();
    } catch (error) {
      this.#onKept(messageOf(error));
      return false;
    }
    this.#onKept(undefined);
    return true;
  }
}
