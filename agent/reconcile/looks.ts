// SPDX-License-Identifier: Apache-2.0
// Looks at something that changes, one after another. Whoever asks while one goes on shares the next with all who do, for
// what they ask about may have changed since that one began.

export class Looks {
  readonly #look: () => Promise<void>;
  #now: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** @param look must not reject. */
  constructor(look: () => Promise<void>) {
    this.#look = look;
  }

  /** @returns when a look has ended that began after the call. */
  look(): Promise<void> {
    if (!this.#now) return this.#begin();
    this.#next ??= this.#now.then(() => {
      this.#next = undefined;
      return this.#begin();
    });
    return this.#next;
  }

  /** @returns when none goes on, nor waits to. */
  async idle(): Promise<void> {
    while (this.#now) await (this.#next ?? this.#now);
  }

  #begin(): Promise<void> {
    this.#now = this.#look().finally(() => {
      this.#now = undefined;
    });
    return this.#now;
  }
}
