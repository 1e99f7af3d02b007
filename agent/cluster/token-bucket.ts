// SPDX-License-Identifier: Apache-2.0
// How often something may happen: at once up to `burst` times, then once per `refillMs`. Used by
// event-recorder.ts. Time is given by the caller.

export interface TokenBucketOptions {
  /** The bucket holds this many tokens, and is full at first. */
  readonly burst: number;
  /** One token comes back after this time. */
  readonly refillMs: number;
}

export class TokenBucket {
  readonly #burst: number;
  readonly #refillMs: number;
  #tokens: number;
  /** When `#tokens` was right. */
  #at = Number.NEGATIVE_INFINITY;

  constructor({ burst, refillMs }: TokenBucketOptions) {
    this.#burst = burst;
    this.#refillMs = refillMs;
    this.#tokens = burst;
  }

  /**
   * Takes a token, if there is one.
   *
   * @param now milliseconds of a clock that never goes back.
   */
  take(now: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) / this.#refillMs);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
