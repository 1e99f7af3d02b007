// SPDX-License-Identifier: Apache-2.0
// How long a watch may be silent before it is taken to be deaf: a connection may stay open, and be kept so, with
// nobody behind it any more. Used by the reflector, one for each watch.

/** How many of the longest pause so far. */
const PAUSES = 3;

/**
 * Servers say about once a minute where they are, by a bookmark, once something has changed since the watch began. Who
 * has never heard one on a watch knows nothing of its pauses: a server need not send any.
 */
export class WatchSilence {
  readonly #lifeMs: number;
  readonly #leastMs: number;
  #heardMs: number;
  #longestMs = 0;
  #hasBookmarks = false;

  /**
   * @param nowMs when it begins.
   * @param lifeMs how long it lasts at most.
   * @param leastMs what is never taken to be deafness.
   */
  constructor(nowMs: number, lifeMs: number, leastMs: number) {
    this.#heardMs = nowMs;
    this.#lifeMs = lifeMs;
    this.#leastMs = leastMs;
  }

  heard(nowMs: number, isBookmark: boolean): void {
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#heardMs);
    this.#heardMs = nowMs;
    this.#hasBookmarks ||= isBookmark;
  }

  get limitMs(): number {
    if (!this.#hasBookmarks) return this.#lifeMs;
    return Math.min(this.#lifeMs, Math.max(this.#leastMs, PAUSES * this.#longestMs));
  }
}
