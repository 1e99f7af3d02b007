// SPDX-License-Identifier: Apache-2.0
// The ids of service ports in the tables. The kernel counts the connections of each by its id modulo the number of
// counters, so ids are given such that no two that live share a counter while there is one left. Pure.
//
// An id is not given again soon: what remembers one (affinities, flows, sockets) may outlive its Service.

import { MAPS } from '../sys/layout.gen.ts';

/** What the programs take ids modulo (SERVICE_COUNTERS in bpf/abi.h). */
const MODULUS = MAPS.serviceCounts.maxEntries;

/** The counter of those that have none of their own. */
export const SHARED_COUNTER = 0;

const LARGEST_ID = 0xffffffff;

export function counterOf(servicePortId: number): number {
  return servicePortId % MODULUS;
}

export class ServicePortIds {
  readonly #counters: number;
  readonly #live = new Set<number>();
  readonly #holders = new Map<number, number>();
  #last = 0;
  #lastShared = 0;

  /** @param counters how many the kernel's table has: no more than the programs could tell apart. */
  constructor(counters = MODULUS) {
    this.#counters = Math.min(counters, MODULUS);
  }

  has(id: number): boolean {
    return this.#live.has(id);
  }

  /** An id that nobody has, with a counter of its own if there is one left. It is taken from now on. */
  next(): number {
    const isOwn = this.#holders.size < this.#counters - 1;
    const id = isOwn ? this.#nextOwn() : this.#nextShared();
    this.#hold(id);
    return id;
  }

  /** `id` is in use, whoever gave it. */
  take(id: number): void {
    this.#live.add(id);
    this.#hold(id);
    this.avoid(id);
  }

  /** Something remembers `id`. */
  avoid(id: number): void {
    if (counterOf(id) === SHARED_COUNTER) this.#lastShared = Math.max(this.#lastShared, id);
    else this.#last = Math.max(this.#last, id);
  }

  release(id: number): void {
    this.#live.delete(id);
    if (this.#holders.get(counterOf(id)) === id) this.#holders.delete(counterOf(id));
  }

  #hold(id: number): void {
    const counter = counterOf(id);
    if (counter !== SHARED_COUNTER && !this.#holders.has(counter)) this.#holders.set(counter, id);
  }

  #nextOwn(): number {
    let id = this.#last;
    do {
      id = id >= LARGEST_ID ? 1 : id + 1;
      if (counterOf(id) >= this.#counters) id += MODULUS - counterOf(id) + 1;
      if (id > LARGEST_ID) id = 1;
    } while (
      counterOf(id) === SHARED_COUNTER ||
      this.#holders.has(counterOf(id)) ||
      this.#live.has(id)
    );
    this.#last = id;
    return id;
  }

  #nextShared(): number {
    do {
      const next = this.#lastShared + MODULUS;
      this.#lastShared = next > LARGEST_ID ? MODULUS : next;
    } while (this.#live.has(this.#lastShared));
    return this.#lastShared;
  }
}
