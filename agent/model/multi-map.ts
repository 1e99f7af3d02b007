// SPDX-License-Identifier: Apache-2.0
// A map in which a key may have several values and nearly always has one, which is then kept without a list
// around it: values are no lists themselves. Used by explain-index.ts, which makes tens of thousands of entries
// for one question.

export class MultiMap<K, V> {
  readonly #values = new Map<K, V | V[]>();

  /** Adding what is there already changes nothing. */
  add(key: K, value: V): void {
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, value);
    else if (!Array.isArray(known)) {
      if (known !== value) this.#values.set(key, [known, value]);
    } else if (!known.includes(value)) known.push(value);
  }

  get(key: K): readonly V[] {
    const known = this.#values.get(key);
    if (known === undefined) return [];
    return Array.isArray(known) ? known : [known];
  }
}
