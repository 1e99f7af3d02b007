// SPDX-License-Identifier: Apache-2.0
// A bell that may ring while nobody listens: the next wait then returns at once.

export class Wakeup {
  #rung = false;
  #waiter: (() => void) | undefined;

  /** Never throws, never blocks. */
  ring(): void {
    this.#rung = true;
    this.#waiter?.();
  }

  /** Resolves when it rings, when `timeoutMs` is over, or when `signal` aborts. One waiter at a time. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = () => resolve();
      const timer = setTimeout(end, timeoutMs);
      signal.addEventListener('abort', end);
      this.#waiter = end;
      await promise;
      this.#waiter = undefined;
      signal.removeEventListener('abort', end);
      clearTimeout(timer);
    }
    this.#rung = false;
  }
}
