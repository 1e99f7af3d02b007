// SPDX-License-Identifier: Apache-2.0
// When to look for what a backend that left has left behind: at once, and once more a little later for a
// connect() that was under way. However many requests come, sweeps keep their distance.

/** Least time from the end of a sweep to the next. */
const DISTANCE_MS = 100;
/** When a connect() that read the old backends must have ended; far above what it takes. */
const AFTERMATH_MS = 500;

export class Sweeps {
  readonly #sweep: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** Sweeps on demand wait until then. */
  #notBeforeMs = 0;
  #isRequested = false;
  #isStopped = false;

  /** @param sweep must not throw. */
  constructor(sweep: () => void) {
    this.#sweep = sweep;
  }

  /** Something has left. */
  request(): void {
    this.#isRequested = true;
    this.#schedule(Math.max(0, this.#notBeforeMs - performance.now()));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), delayMs).unref();
  }

  #run(): void {
    const isAftermath = !this.#isRequested;
    this.#isRequested = false;
    this.#sweep();
    this.#notBeforeMs = performance.now() + DISTANCE_MS;
    if (!isAftermath) this.#schedule(AFTERMATH_MS);
  }
}
