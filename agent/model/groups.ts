// SPDX-License-Identifier: Apache-2.0
// Entries in groups of which nearly all have few, such as the slices of a Service or the members of a service port.
// Used where there are tens of thousands of groups: a hash table in each would take more than what is in it.

/** Up to so many entries, looking at each is as fast as hashing. */
const FEW = 8;

/**
 * @typeParam K what tells the entries of one group apart.
 * @typeParam V never changed once it is in.
 */
export class Groups<G, K, V> {
  /** No list is ever changed: who goes over one may change the group meanwhile. */
  readonly #groups = new Map<G, readonly V[] | Map<K, V>>();
  readonly #keyOf: (value: V) => K;
  #size = 0;

  constructor(keyOf: (value: V) => K) {
    this.#keyOf = keyOf;
  }

  /** In the order in which their keys came. */
  of(group: G): readonly V[] {
    const values = this.#groups.get(group);
    if (values instanceof Map) return [...values.values()];
    return values ?? [];
  }

  get(group: G, key: K): V | undefined {
    const values = this.#groups.get(group);
    if (values instanceof Map) return values.get(key);
    return values?.find((value) => this.#keyOf(value) === key);
  }

  /** Groups that have an entry. */
  keys(): Iterable<G> {
    return this.#groups.keys();
  }

  /** Entries in all groups. */
  get size(): number {
    return this.#size;
  }

  /** Takes the place of the entry that has the same key. */
  put(group: G, value: V): void {
    const values = this.#groups.get(group);
    if (values === undefined) {
      this.#groups.set(group, [value]);
      this.#size++;
      return;
    }
    const key = this.#keyOf(value);
    if (values instanceof Map) {
      if (!values.has(key)) this.#size++;
      values.set(key, value);
      return;
    }
    const at = this.#indexOf(values, key);
    if (at < 0) this.#size++;
    if (at >= 0) this.#groups.set(group, values.with(at, value));
    else if (values.length < FEW) this.#groups.set(group, values.concat(value));
    else this.#groups.set(group, new Map([...values, value].map((v) => [this.#keyOf(v), v])));
  }

  delete(group: G, key: K): void {
    const values = this.#groups.get(group);
    if (!values) return;
    if (values instanceof Map) {
      if (values.delete(key)) this.#size--;
      if (values.size === 0) this.#groups.delete(group);
      return;
    }
    const at = this.#indexOf(values, key);
    if (at < 0) return;
    this.#size--;
    if (values.length === 1) this.#groups.delete(group);
    else this.#groups.set(group, values.toSpliced(at, 1));
  }

  #indexOf(values: readonly V[], key: K): number {
    return values.findIndex((value) => this.#keyOf(value) === key);
  }
}
