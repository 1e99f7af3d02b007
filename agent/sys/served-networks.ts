// SPDX-License-Identifier: Apache-2.0
// Which networks may hold an address that the programs look for, and which single addresses: most of what is dialled is
// none of them, and the programs look no further. Written by the tables of such addresses themselves (CoveredMap), created in datapath.ts.
//
// Invariant: the bit of an address is set before the address is in its table, or when it is first read there: an older build
// that had no bits may have written it. None is ever taken away: a bit too many costs a look-up.

import { addressHash, type IpAddress, networkHash, networkHashes } from '../model/address.ts';
import type { MapSpec } from './codec.ts';
import { KernelMap, type RefusedEntry } from './kernel-map.ts';
import { MAPS, type ServedNetworks as Word } from './layout.gen.ts';
import { KernelError } from './libbpf/kernel-error.ts';
import type { RawMap } from './libbpf/map.ts';

/** Addresses with the first `bits` of 128 that `address` has; without it the network that the address is in. */
export interface Covered {
  readonly address: IpAddress;
  readonly bits?: number;
  /** It, and none beside it. */
  readonly isAlone?: boolean;
}

const WORD_BITS = 64;
const BITS = MAPS.servedNetworks.maxEntries * WORD_BITS;
const HASH_BITS = 32 - Math.log2(BITS);

export class ServedNetworks {
  readonly #map: KernelMap<number, Word>;
  /** A byte for each bit that is in the table, or was until somebody else took it away. */
  #known: Uint8Array | undefined;

  /** Takes over `raw`. */
  constructor(raw: RawMap) {
    this.#map = new KernelMap(raw, MAPS.servedNetworks);
  }

  /** @returns what the kernel refused, to be read too. */
  cover(prefixes: Iterable<Covered>): RefusedEntry[] {
    const added = new Set<number>();
    try {
      this.#known ??= this.#read();
      return this.#cover(this.#known, prefixes, added);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      this.#take(added);
      return [{ index: 0, error }];
    }
  }

  #cover(known: Uint8Array, prefixes: Iterable<Covered>, added: Set<number>): RefusedEntry[] {
    const add = (hash: number) => {
      const bit = hash >>> HASH_BITS;
      if (known[bit] === 1) return;
      known[bit] = 1;
      added.add(bit);
    };
    let last: IpAddress | undefined;
    for (const { address, bits, isAlone } of prefixes) {
      if (isAlone) {
        add(addressHash(address));
        continue;
      }
      if (bits === undefined) {
        // The entries of a Service come one after the other.
        if (address !== last) add(networkHash(address));
        last = address;
        continue;
      }
      const hashes = networkHashes(address, bits, BITS);
      if (hashes) hashes.forEach(add);
      else for (let bit = 0; bit < BITS; bit++) add((bit << HASH_BITS) >>> 0);
    }
    const words = [...new Set(Array.from(added, wordWith))];
    const refused = this.#write(known, words);
    const without = new Set(refused.map(({ index }) => words[index]));
    this.#take([...added].filter((bit) => without.has(wordWith(bit))));
    return refused;
  }

  /** What is not there must not be taken for it. */
  #take(bits: Iterable<number>): void {
    if (this.#known) for (const bit of bits) this.#known[bit] = 0;
  }

  /**
   * Sets again what somebody else has taken away since this process read it first; where that is refused, the next time.
   *
   * @throws KernelError
   */
  mend(): void {
    const known = this.#known;
    if (!known) return;
    const there = this.#read();
    const missing = new Set<number>();
    known.forEach((isSet, bit) => {
      if (isSet > (there[bit] ?? 0)) missing.add(wordWith(bit));
    });
    throwFirst(this.#write(known, [...missing]));
  }

  close(): void {
    this.#map.close();
  }

  /** A byte for each bit. */
  #read(): Uint8Array {
    const bytes = new Uint8Array(BITS);
    for (const [word, { bits }] of this.#map.entries()) if (bits !== 0n) unpack(bits, bytes, word);
    return bytes;
  }

  /** With what others have set in the same words meanwhile. */
  #write(known: Uint8Array, words: readonly number[]): RefusedEntry[] {
    if (words.length === 0) return [];
    return this.#map.put(
      words.map((word) => [
        word,
        { bits: wordOf(known, word) | (this.#map.get(word)?.bits ?? 0n) },
      ]),
    );
  }
}

/** Which word a bit is in. */
function wordWith(bit: number): number {
  return Math.floor(bit / WORD_BITS);
}

function unpack(bits: bigint, bytes: Uint8Array, word: number): void {
  for (let bit = 0; bit < WORD_BITS; bit++)
    bytes[word * WORD_BITS + bit] = Number((bits >> BigInt(bit)) & 1n);
}

function wordOf(known: Uint8Array, word: number): bigint {
  const half = (from: number) => {
    let bits = 0;
    for (let bit = 0; bit < WORD_BITS / 2; bit++) bits |= (known[from + bit] ?? 0) << bit;
    return BigInt(bits >>> 0);
  };
  const from = word * WORD_BITS;
  return half(from) | (half(from + WORD_BITS / 2) << BigInt(WORD_BITS / 2));
}

/** A table of addresses that the programs look for only in networks that are served. */
export class CoveredMap<K, V> extends KernelMap<K, V> {
  readonly #networks: ServedNetworks;
  readonly #covered: (key: K) => Covered;
  #isCovered = false;

  /** Takes over `raw`. @param covered what a key is about. */
  constructor(
    raw: RawMap,
    spec: Pick<MapSpec<K, V>, 'key' | 'value'>,
    networks: ServedNetworks,
    covered: (key: K) => Covered,
  ) {
    super(raw, spec);
    this.#networks = networks;
    this.#covered = covered;
  }

  override put(entries: readonly (readonly [K, V])[]): RefusedEntry[] {
    if (this.#cover(entries).length === 0) return super.put(entries);
    // Only those go without whose own network is refused.
    const refused: RefusedEntry[] = [];
    const covered = [...entries.entries()].filter(([index, entry]) => {
      const [refusal] = this.#cover([entry]);
      if (refusal) refused.push({ index, error: refusal.error });
      return !refusal;
    });
    const put = super.put(covered.map(([, entry]) => entry));
    for (const { index, error } of put) {
      refused.push({ index: covered[index]?.[0] as number, error });
    }
    return refused;
  }

  /** The first time it covers what is there: whoever goes on with it reads it before. @throws KernelError */
  override entries(): [K, V][] {
    const entries = super.entries();
    if (!this.#isCovered) throwFirst(this.#cover(entries));
    this.#isCovered = true;
    return entries;
  }

  /** As {@link entries}, of what is read. */
  override *batches(size: number): Generator<[K, V][], void> {
    for (const entries of super.batches(size)) {
      if (!this.#isCovered) throwFirst(this.#cover(entries));
      yield entries;
    }
    this.#isCovered = true;
  }

  #cover(entries: readonly (readonly [K, V])[]): RefusedEntry[] {
    return this.#networks.cover(entries.map(([key]) => this.#covered(key)));
  }
}

/** One that is read when all tables are compared with what they should hold: then the networks are looked after, too. */
export class MendingMap<K, V> extends CoveredMap<K, V> {
  readonly #mend: () => void;

  /** As of {@link CoveredMap}. */
  constructor(...[raw, spec, networks, covered]: ConstructorParameters<typeof CoveredMap<K, V>>) {
    super(raw, spec, networks, covered);
    this.#mend = () => networks.mend();
  }

  override entries(): [K, V][] {
    this.#mend();
    return super.entries();
  }

  override *batches(size: number): Generator<[K, V][], void> {
    this.#mend();
    yield* super.batches(size);
  }
}

function throwFirst([refused]: readonly RefusedEntry[]): void {
  if (refused) throw refused.error;
}
