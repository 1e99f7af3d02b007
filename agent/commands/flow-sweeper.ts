// SPDX-License-Identifier: Apache-2.0
// Sweeps the flow table for as long as the agent runs: every half minute, and soon after backends have left. Never
// two sweeps at once, and never one that takes more than a small part of a CPU.

import { messageOf } from '../errors.ts';
import {
  type FlowSweepReport,
  type SweptEntries,
  type SweptTables,
  sweepFlows,
} from '../reconcile/flow-sweep.ts';
import { inSlices, untilAborted } from '../reconcile/slices.ts';
import type { Logger } from '../telemetry/log.ts';

export interface FlowSweeperOptions {
  readonly tables: SweptTables;
  readonly log: Logger;
  /** Ends it; from then on no table is touched, so that they may be closed. */
  readonly signal: AbortSignal;
  /** From the end of one sweep to the next. */
  readonly everyMs?: number;
}

/** The last sweep. */
export interface FlowSweep extends FlowSweepReport {
  /** When it ended, of performance.now(). */
  readonly endedMs: number;
}

const EVERY_MS = 30_000;
/** How long backends that leave are waited for, so that one sweep is for all of them. */
const GATHER_MS = 100;
/** How many times as long as a sweep lasted there is none: 5% of a CPU at most, however often backends leave. */
const REST = 20;

export class FlowSweeper {
  readonly #options: FlowSweeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #isSweeping = false;
  #isRequested = false;
  #notBeforeMs = 0;
  #last: FlowSweep | undefined;
  #swept: SweptEntries = { timeOver: 0, backendGone: 0 };
  /** Said once, not with every sweep. */
  #problem: string | undefined;

  constructor(options: FlowSweeperOptions) {
    this.#options = options;
    options.signal.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  /** undefined before the first one has ended. */
  get last(): FlowSweep | undefined {
    return this.#last;
  }

  /** By all sweeps so far. */
  get swept(): SweptEntries {
    return this.#swept;
  }

  /**
   * Backends have left, or may have. The first request starts everything; it must wait until `members` is
   * complete, or flows would lose backends that serve.
   */
  request(): void {
    if (this.#isRequested) return;
    this.#isRequested = true;
    if (!this.#isSweeping) this.#scheduleRequested();
  }

  #scheduleRequested(): void {
    this.#schedule(Math.max(GATHER_MS, this.#notBeforeMs - performance.now()));
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#options.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#run(), delayMs).unref();
  }

  async #run(): Promise<void> {
    this.#isSweeping = true;
    this.#isRequested = false;
    const begunMs = performance.now();
    await this.#sweep();
    const endedMs = performance.now();
    this.#isSweeping = false;
    this.#notBeforeMs = endedMs + REST * (endedMs - begunMs);
    if (this.#isRequested) this.#scheduleRequested();
    else this.#schedule(this.#options.everyMs ?? EVERY_MS);
  }

  async #sweep(): Promise<void> {
    const { tables, signal } = this.#options;
    try {
      const report = await inSlices(untilAborted(sweepFlows(tables), signal));
      if (!report) return;
      this.#last = { ...report, endedMs: performance.now() };
      this.#swept = {
        timeOver: this.#swept.timeOver + report.timeOver,
        backendGone: this.#swept.backendGone + report.backendGone,
      };
      this.#complain(report.problem);
    } catch (error) {
      this.#complain(messageOf(error));
    }
  }

  #complain(problem: string | undefined): void {
    if (problem !== undefined && problem !== this.#problem) {
      this.#options.log.warn({ problem }, 'connections that are over may stay in the flow table');
    }
    this.#problem = problem;
  }
}
