// SPDX-License-Identifier: Apache-2.0
// The slots: an array of backends behind a map of one map, so that a larger copy can take its place while
// traffic runs. Which slots are free is not known here but in plan/slots.ts.

import type { Backend } from '../model/service-port.ts';
import { KernelMap, type RefusedEntry } from './kernel-map.ts';
import { MAPS } from './layout.gen.ts';
import { RawMap } from './libbpf/map.ts';

const INNER = MAPS.slots.inner;

/** Slots that a new table starts with: 80 KiB, enough for a small cluster. */
const INITIAL_CAPACITY = 4096;

export class SlotArray {
  readonly #outer: RawMap;
  #inner: KernelMap<number, Backend>;

  private constructor(outer: RawMap, inner: KernelMap<number, Backend>) {
    this.#outer = outer;
    this.#inner = inner;
  }

  /** Takes over `outer`. An empty one, just made, gets a first array. */
  static open(outer: RawMap): SlotArray {
    const id = new Uint8Array(outer.valueSize);
    if (outer.lookup(INDEX_ZERO, id)) {
      const raw = RawMap.openById(new DataView(id.buffer).getUint32(0, true), INNER.name);
      return new SlotArray(outer, new KernelMap(raw, INNER));
    }
    const inner = createInner(INITIAL_CAPACITY);
    outer.update(INDEX_ZERO, descriptorValue(inner));
    return new SlotArray(outer, inner);
  }

  get capacity(): number {
    return this.#inner.raw.maxEntries;
  }

  /** The inner array, for counting memory. */
  get array(): RawMap {
    return this.#inner.raw;
  }

  /** Every slot, by index; unused ones hold what was last in them. */
  read(): Backend[] {
    const backends: Backend[] = [];
    for (const [index, backend] of this.#inner.entries()) backends[index] = backend;
    return backends;
  }

  /** Writes slots that no frontend names. */
  write(slots: readonly (readonly [number, Backend])[]): RefusedEntry[] {
    return this.#inner.put(slots);
  }

  /** Puts a larger copy in place. Nothing else may write meanwhile. */
  async grow(capacity: number): Promise<void> {
    const larger = createInner(capacity);
    try {
      const refused = larger.put([...this.read().entries()])[0];
      if (refused) throw refused.error;
      await this.#outer.updateAndWait(INDEX_ZERO, descriptorValue(larger));
    } catch (error) {
      larger.close();
      throw error;
    }
    this.#inner.close();
    this.#inner = larger;
  }

  /** Resolves when every program that runs now has ended: what they may still read can be reused. */
  async settle(): Promise<void> {
    await this.#outer.updateAndWait(INDEX_ZERO, descriptorValue(this.#inner));
  }

  close(): void {
    this.#inner.close();
    this.#outer.close();
  }
}

const INDEX_ZERO = new Uint8Array(4);

function createInner(capacity: number): KernelMap<number, Backend> {
  const { name, type, flags, key, value } = INNER;
  const sizes = { keySize: key.size, valueSize: value.size, maxEntries: capacity };
  return new KernelMap(RawMap.create(name, { type, flags, ...sizes }), INNER);
}

/** User space names an inner map by descriptor when it writes; the kernel answers with its id when it reads. */
function descriptorValue(inner: KernelMap<number, Backend>): Uint8Array {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, inner.raw.fd, true);
  return value;
}
