// SPDX-License-Identifier: Apache-2.0
// Who owns which service address or node port. A value has one owner; an owner's claims are set as a
// whole, so that a refused change leaves nothing behind.

export class Claims<Value extends string | number> {
  readonly #owners = new Map<Value, string>();
  readonly #values = new Map<string, Set<Value>>();

  /** @returns false when somebody else holds `value`. Claiming one's own again is fine. */
  claim(owner: string, value: Value): boolean {
    const holder = this.#owners.get(value);
    if (holder !== undefined) return holder === owner;
    this.#owners.set(value, owner);
    const values = this.#values.get(owner);
    if (values) values.add(value);
    else this.#values.set(owner, new Set([value]));
    return true;
  }

  isFree(value: Value): boolean {
    return !this.#owners.has(value);
  }

  /** Makes `kept` all that `owner` holds; the rest of its claims are free again. */
  keepOnly(owner: string, kept: Iterable<Value>): void {
    const keep = new Set(kept);
    for (const value of this.#values.get(owner) ?? []) {
      if (keep.has(value)) continue;
      this.#owners.delete(value);
      this.#values.get(owner)?.delete(value);
    }
    if (keep.size === 0) this.#values.delete(owner);
  }
}
