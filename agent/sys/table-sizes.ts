// SPDX-License-Identifier: Apache-2.0
// How many entries each table is made with. Pins are named by it (pins.ts), so that a table of another size is made
// beside the one that is there, and takes its place once it has what is in that one.

import type { MapSpec } from './codec.ts';
import { MAPS } from './layout.gen.ts';
import { counterEntries } from './service-counts.ts';

/** What somebody has asked for, by the table's name. */
export type AskedSizes = ReadonlyMap<string, number>;

/** enum bpf_map_type */
const LRU_HASH = 9;

/**
 * Entries that an LRU must have for each CPU: every CPU sets up to 128 aside, and one that is much smaller
 * throws recent entries away while it is nearly empty (mended by kernel commit d4adf1c9ee77).
 */
const LRU_ENTRIES_PER_CPU = 512;

/** How many times two CPUs there are; a power of two, as bucket arrays are. */
function growth(cpus: number, most: number): number {
  return Math.min(most, 2 ** Math.floor(Math.log2(Math.max(1, cpus / 2))));
}

/**
 * How large a table is made: what traffic fills grows with the CPUs that can bring it about. Pure.
 *
 * @param asked what is asked for instead; `dials`, whose place in it is a hash, cannot be.
 */
export function entriesFor(
  { name, type, maxEntries }: Pick<MapSpec<unknown, unknown>, 'name' | 'type' | 'maxEntries'>,
  cpus: number,
  asked?: number,
): number {
  if (name === MAPS.serviceCounts.name) return counterEntries(cpus);
  if (name === MAPS.dials.name) return maxEntries * growth(cpus, 16);
  if (type === LRU_HASH) {
    return Math.max(asked ?? maxEntries * growth(cpus, 16), LRU_ENTRIES_PER_CPU * cpus);
  }
  if (asked !== undefined) return asked;
  return name === MAPS.flows.name ? maxEntries * growth(cpus, 4) : maxEntries;
}

/** What is asked for of a table: both of those for unconnected UDP have as many entries. */
export function askedFor(name: string, sizes: AskedSizes): number | undefined {
  return sizes.get(name === MAPS.udpServices.name ? MAPS.udpBackends.name : name);
}
