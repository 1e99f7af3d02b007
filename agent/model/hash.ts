// SPDX-License-Identifier: Apache-2.0
// Hashes that mean the same on every node and in every release: of texts for maglev.ts, of contents for
// service-port.ts. FNV-1a over 32 bits (draft-eastlake-fnv), one step for each UTF-16 unit, then the finalizer of
// MurmurHash3, without which the last characters of an address would hardly matter to the high bits. Pure.

const FNV_PRIME = 0x01000193;
const FNV_OFFSET = 0x811c9dc5;

/** @param seed one hash function for each. @returns 32 bits, unsigned. */
export function hashText(text: string, seed: number): number {
  let hash = FNV_OFFSET ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return finished(hash);
}

/** Of numbers from 0 to 0xffffffff. @returns 32 bits, unsigned. */
export function hashNumbers(numbers: Iterable<number>, seed: number): number {
  let hash = FNV_OFFSET ^ seed;
  for (const number of numbers) {
    hash = Math.imul(hash ^ (number & 0xffff), FNV_PRIME);
    hash = Math.imul(hash ^ (number >>> 16), FNV_PRIME);
  }
  return finished(hash);
}

function finished(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
