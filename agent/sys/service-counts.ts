// SPDX-License-Identifier: Apache-2.0
// How many connections each service port got and was refused, as the programs count them on each CPU. Which counter
// is whose says agent/plan/service-port-ids.ts.

import { perCpuSize, possibleCpus } from './cpus.ts';
import { MAPS, serviceCount } from './layout.gen.ts';
import { RawMap } from './libbpf/map.ts';
import type { Pins } from './pins.ts';

/** Numbers of 32 bits in one counter, in their order: {@link ServiceCounts.read} has them side by side. */
export const COUNT_FIELDS = [
  'socketConnections',
  'socketRefusals',
  'packetConnections',
  'packetRefusals',
] as const;

const WORDS = COUNT_FIELDS.length;

/** Bytes that the counters of all CPUs may take together. */
const MOST_BYTES = 8 * 1024 * 1024;

/** How many counters there are on a machine with so many CPUs: on 32 and less as many as ids are counted by. Pure. */
export function counterEntries(cpus: number): number {
  const fitting = Math.floor(MOST_BYTES / perCpuSize(serviceCount.size, cpus));
  return Math.min(MAPS.serviceCounts.maxEntries, fitting);
}

export class ServiceCounts {
  /** Set to zero since whoever reads has taken them from here: what was read of them before was another's. */
  readonly cleared = new Set<number>();
  readonly #map: RawMap;
  readonly #cpus = possibleCpus();

  private constructor(map: RawMap) {
    this.#map = map;
  }

  /** @throws KernelError (ENOENT) when this build's table is not pinned. */
  static open(pins: Pins): ServiceCounts {
    return new ServiceCounts(RawMap.openPin(pins.map(MAPS.serviceCounts)));
  }

  get capacity(): number {
    return this.#map.maxEntries;
  }

  /** Sets counters to zero. What the kernel refuses is left as it is: no Service goes unserved for a number. */
  clear(counters: readonly number[]): void {
    const existing = counters.filter((counter) => counter < this.capacity);
    if (!existing.length) return;
    for (const counter of existing) this.cleared.add(counter);
    const values = new Uint8Array(existing.length * this.#map.valueSize);
    this.#map.updateBatch(
      new Uint8Array(new Uint32Array(existing).buffer),
      values,
      existing.length,
    );
  }

  /**
   * The sums over all CPUs, modulo 2^32, of the counters from 0 on, so many of them at a time: one after another in
   * the order of {@link COUNT_FIELDS}. The buffer is reused.
   *
   * @param end the first counter that is not read.
   */
  *read(end: number, size: number): Generator<{ first: number; sums: Uint32Array }, void> {
    const sums = new Uint32Array(size * WORDS);
    let first = 0;
    for (const { values, count } of this.#map.batches(size)) {
      const each = new Uint32Array(values.buffer, 0, count * this.#cpus * WORDS);
      sums.fill(0);
      for (let i = 0; i < each.length; i++) {
        const counter = Math.floor(i / (this.#cpus * WORDS));
        const at = counter * WORDS + (i % WORDS);
        sums[at] = (sums[at] as number) + (each[i] as number);
      }
      yield { first, sums: sums.subarray(0, count * WORDS) };
      first += count;
      if (first >= end) return;
    }
  }

  close(): void {
    this.#map.close();
  }
}
