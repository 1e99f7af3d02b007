// SPDX-License-Identifier: Apache-2.0
// The slots: an array of backends behind a map of one map, so that a larger copy can take its place while
// traffic runs. Which slots are free is not known here but in plan/slot-allocator.ts.

import { setImmediate } from 'node:timers/promises';
import { KernelMap, type RefusedEntry } from './kernel-map.ts';
import { type IpPort, MAPS } from './layout.gen.ts';
import { ENOENT, KernelError } from './libbpf/kernel-error.ts';
import { RawMap } from './libbpf/map.ts';

const INNER = MAPS.slots.inner;

/** Slots that a new table starts with: 80 KiB, enough for a small cluster. */
const INITIAL_CAPACITY = 4096;

/** Slots that are copied in one turn of the event loop. */
const COPIED = 4096;

export class SlotArray {
  readonly #outer: RawMap;
  #inner: KernelMap<number, IpPort>;
  /** The outer map has one writer at a time: the last of them. */
  #swap: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(outer: RawMap, inner: KernelMap<number, IpPort>) {
    this.#outer = outer;
    this.#inner = inner;
  }

  /** Gives a table that was just made its first array. */
  static initialise(outer: RawMap): void {
    if (outer.lookup(INDEX_ZERO, new Uint8Array(outer.valueSize))) return;
    const inner = createInner(INITIAL_CAPACITY);
    outer.update(INDEX_ZERO, descriptorValue(inner));
    inner.close();
  }

  /** Takes over `outer`, which must have been initialised. */
  static open(outer: RawMap): SlotArray {
    const id = new Uint8Array(outer.valueSize);
    if (!outer.lookup(INDEX_ZERO, id)) throw new KernelError('find the slot array', ENOENT);
    const raw = RawMap.openById(new DataView(id.buffer).getUint32(0, true), INNER.name);
    return new SlotArray(outer, new KernelMap(raw, INNER));
  }

  get capacity(): number {
    return this.#inner.raw.maxEntries;
  }

  /** The inner array, for counting memory. */
  get array(): RawMap {
    return this.#inner.raw;
  }

  /** Slots by index, every one of them or so many from `first` on; unused ones hold what was last in them. */
  read(first = 0, count = this.capacity - first): IpPort[] {
    if (count === 0) return [];
    const values = this.#inner.raw.readArray(first, count);
    const view = new DataView(values.buffer);
    return Array.from({ length: count }, (_, i) => INNER.value.read(view, i * INNER.value.size));
  }

  /** Writes slots that no frontend names. */
  write(slots: readonly (readonly [number, IpPort])[]): RefusedEntry[] {
    return this.#inner.put(slots);
  }

  /** Puts a larger copy in place. No slots may be written meanwhile. */
  async grow(capacity: number): Promise<void> {
    const larger = createInner(capacity);
    try {
      await this.#copyTo(larger.raw);
      await this.#replace(larger);
    } catch (error) {
      larger.close();
      throw error;
    }
    this.#inner.close();
    this.#inner = larger;
  }

  /** A piece at a time: there may be hundreds of thousands. */
  async #copyTo(larger: RawMap): Promise<void> {
    for (const { keys, values, count } of this.#inner.raw.batches(COPIED)) {
      const stop = larger.updateBatch(keys, values, count);
      if (stop) throw stop.error;
      await setImmediate();
      this.#stayOpen();
    }
  }

  /** By now the descriptors may be somebody else's. */
  #stayOpen(): void {
    if (this.#isClosed) throw new Error('the slots are closed');
  }

  /** Resolves when every program that runs now has ended: what they may still read can be reused. */
  async settle(): Promise<void> {
    await this.#replace();
  }

  #replace(array?: KernelMap<number, IpPort>): Promise<void> {
    const swap = this.#swap.then(() => {
      this.#stayOpen();
      return this.#outer.updateAndWait(INDEX_ZERO, descriptorValue(array ?? this.#inner));
    });
    this.#swap = swap.catch(() => {});
    return swap;
  }

  close(): void {
    this.#isClosed = true;
    this.#inner.close();
    this.#outer.close();
  }
}

const INDEX_ZERO = new Uint8Array(4);

function createInner(capacity: number): KernelMap<number, IpPort> {
  const { name, type, flags, key, value } = INNER;
  const sizes = { keySize: key.size, valueSize: value.size, maxEntries: capacity };
  return new KernelMap(RawMap.create(name, { type, flags, ...sizes }), INNER);
}

/** User space names an inner map by descriptor when it writes; the kernel answers with its id when it reads. */
function descriptorValue(inner: KernelMap<number, IpPort>): Uint8Array {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, inner.raw.fd, true);
  return value;
}
