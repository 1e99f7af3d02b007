// SPDX-License-Identifier: Apache-2.0
// Which places of a hash table belong to which backend, so that all nodes send one connection to one backend
// without talking to each other, and a backend that comes or goes moves few places of the others (Eisenbud et al.,
// Maglev: A Fast and Reliable Software Network Load Balancer, NSDI 2016, section 3.4). Pure, without chance: a table
// depends on addresses, ports and weights alone. Used by run-content.ts.
//
// Each backend has an order of preference over all places: from `offset` on in steps of `skip`, both of them hashes
// of its address and port. In turns each takes the first of its places that is still free, one with less weight
// than the largest only in as many turns as its share is. The number of places is prime, so that every
// `skip` leads to all of them.

import { hashText } from './hash.ts';
import { type Backend, backendKey } from './service-port.ts';

/** Primes below powers of two. */
const SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521] as const;

/** Places for each backend, so that shares are right to about one in a hundred. */
const PLACES_EACH = 100;

/** More backends than this get no table. */
export const MAX_MAGLEV_BACKENDS = 65521;

const OFFSET_SEED = 0;
const SKIP_SEED = 0x9e3779b9;

/** How many places a table has for so many backends: another number of them moves nearly all. */
export function maglevTableSize(backends: number): number {
  return SIZES.find((size) => size >= backends * PLACES_EACH) ?? MAX_MAGLEV_BACKENDS;
}

/**
 * @param backends each once, at least one and at most {@link MAX_MAGLEV_BACKENDS}; their order does not matter.
 * @param weights of each, above 0; without: all the same. Only their proportions matter.
 * @returns for every place the index of its backend.
 */
export function maglevTable(
  backends: readonly Backend[],
  weights?: readonly number[],
): Uint16Array<ArrayBuffer> {
  const size = maglevTableSize(backends.length);
  const takers = backends.map((backend, index) => newTaker(backend, index, size, weights));
  takers.sort((a, b) => (a.key < b.key ? -1 : 1));
  const largest = takers.reduce((most, { weight }) => Math.max(most, weight), 0);
  if (!(largest > 0)) throw new RangeError('of the backends of a Maglev table none has a weight');
  const table = new Uint16Array(size);
  const isTaken = new Uint8Array(size);
  let free = size;
  for (let turn = 1; ; turn++) {
    for (const taker of takers) {
      // After so many turns it has its share of them, rounded up.
      if (taker.taken * largest >= turn * taker.weight) continue;
      taker.taken++;
      while (isTaken[taker.next]) taker.next = (taker.next + taker.skip) % size;
      isTaken[taker.next] = 1;
      table[taker.next] = taker.index;
      if (--free === 0) return table;
    }
  }
}

interface Taker {
  readonly key: string;
  readonly index: number;
  readonly weight: number;
  readonly skip: number;
  /** The place that it would like best of those that it has not tried. */
  next: number;
  taken: number;
}

function newTaker(
  backend: Backend,
  index: number,
  size: number,
  weights: readonly number[] | undefined,
): Taker {
  const key = backendKey(backend);
  return {
    key,
    index,
    weight: weights?.[index] ?? 1,
    skip: 1 + (hashText(key, SKIP_SEED) % (size - 1)),
    next: hashText(key, OFFSET_SEED) % size,
    taken: 0,
  };
}
