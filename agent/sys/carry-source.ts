// SPDX-License-Identifier: Apache-2.0
// Which tables of another build are to be carried into this one's: those that the programs go by which are at work now,
// whatever else lies about of a build that was ended before it had switched. Asked once, before anything is attached.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { MAPS } from './layout.gen.ts';
import { readMapTypes } from './libbpf/btf-info.ts';
import { isNotFound } from './libbpf/kernel-error.ts';
import { RawMap } from './libbpf/map.ts';
import { readProgramMaps } from './libbpf/program-info.ts';
import type { PinnedLayout, Pins } from './pins.ts';

/**
 * What cannot be made again from the cluster, in the order in which it is carried. The ids of service ports come first: all
 * others but `udp_services` have them. Clocks go on for as long as the pins do, which a boot ends.
 */
export const CARRIED_TABLES: readonly PinnedLayout[] = [
  MAPS.servicePorts,
  MAPS.flows,
  MAPS.affinities,
  MAPS.udpBackends,
  MAPS.udpServices,
];

export interface CarrySource {
  /** The table's name. */
  readonly table: string;
  /** Where the other build's is pinned. */
  readonly pin: string;
  /** Programs that are at work go by this build's table as well: what they wrote there stays. */
  readonly isOwnInUse: boolean;
}

/** What the programs have that hooks and devices run. */
export interface LinkedPrograms {
  readonly mapIds: ReadonlySet<number>;
  /** The highest id of types that one of them was loaded with: what came into the kernel later was not meant for them. */
  readonly btfId: number;
}

/** Programs that are gone have nothing. @throws KernelError when the kernel does not tell of one. */
export function readLinkedPrograms(programIds: readonly number[]): LinkedPrograms {
  const mapIds = new Set<number>();
  let newest = 0;
  for (const programId of new Set(programIds)) {
    try {
      const program = readProgramMaps(programId);
      for (const id of program.mapIds) mapIds.add(id);
      newest = Math.max(newest, program.btfId);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  return { mapIds, btfId: newest };
}

/**
 * Of each of {@link CARRIED_TABLES} that is to be carried. Of those that hold ids of service ports none is, when these were
 * made anew and there are no others: they would be other services' ids.
 *
 * @param programIds on hooks and devices.
 * @param made names of tables that are new: this process made them.
 * @throws KernelError
 */
export function carrySources(
  pins: Pins,
  programIds: readonly number[],
  made: ReadonlySet<string>,
): CarrySource[] {
  const linked = readLinkedPrograms(programIds);
  const sources = CARRIED_TABLES.flatMap(
    (table) => sourceOf(pins, table, linked, made.has(table.name)) ?? [],
  );
  const { name } = MAPS.servicePorts;
  const areIdsKept = !made.has(name) || sources.some(({ table }) => table === name);
  return sources.filter(({ table }) => areIdsKept || !hasServicePortIds(table));
}

/** Whether keys or values have ids of service ports. */
export function hasServicePortIds(table: string): boolean {
  return table !== MAPS.servicePorts.name && table !== MAPS.udpServices.name;
}

/** A table under one of its pins. */
export interface PinnedTable {
  readonly pin: string;
  readonly isOwn: boolean;
  /** Ids go up: a table that has a higher one was made later. */
  readonly mapId: number;
  readonly btfId: number;
}

/** @param isMade whether this process has made its own table, which is empty. @throws KernelError */
export function sourceOf(
  pins: Pins,
  table: PinnedLayout,
  linked: LinkedPrograms,
  isMade: boolean,
): CarrySource | undefined {
  const tables = pinnedTables(pins, table);
  const pin = chooseSource(tables, linked, isMade);
  const isOwnInUse = tables.some(({ isOwn, mapId }) => isOwn && linked.mapIds.has(mapId));
  return pin === undefined ? undefined : { table: table.name, pin, isOwnInUse };
}

/**
 * What programs at work use. A start that was ended while it attached leaves two generations that are used: the other one's,
 * for not all of it may have been carried. When no program says (nothing is at work, or only user space
 * reads the table), this build's own if it was there when they came, or else the newest that was. Pure.
 */
export function chooseSource(
  tables: readonly PinnedTable[],
  linked: LinkedPrograms,
  isMade: boolean,
): string | undefined {
  const newestFirst = tables.toSorted((a, b) => b.mapId - a.mapId);
  const others = newestFirst.filter(({ isOwn }) => !isOwn);
  const used = newestFirst.filter(({ mapId }) => linked.mapIds.has(mapId));
  const usedOther = used.find(({ isOwn }) => !isOwn);
  if (usedOther) return usedOther.pin;
  if (used.length > 0) return undefined;
  const candidates = isMade ? others : newestFirst;
  const wereThere = candidates.filter(({ btfId }) => btfId <= linked.btfId);
  const own = (of: readonly PinnedTable[]) => of.find(({ isOwn }) => isOwn);
  const chosen = own(wereThere) ?? wereThere[0] ?? own(candidates) ?? candidates[0];
  return chosen?.isOwn ? undefined : chosen?.pin;
}

/** `<table>_<hash>`, and what distinguishes further: see {@link Pins.map}. */
function pinnedTables(pins: Pins, table: PinnedLayout): PinnedTable[] {
  const directory = path.join(pins.directory, 'maps');
  const isOfTable = new RegExp(`^${table.name}_[0-9a-f]{8}(?:_|$)`);
  const own = pins.map(table);
  return pinsIn(directory)
    .filter((file) => isOfTable.test(file))
    .flatMap((file) => {
      const pin = path.join(directory, file);
      const ids = readIds(pin);
      return ids ? { pin, isOwn: pin === own, ...ids } : [];
    });
}

function pinsIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function readIds(pin: string): Pick<PinnedTable, 'mapId' | 'btfId'> | undefined {
  let map: RawMap;
  try {
    map = RawMap.openPin(pin);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  try {
    return { mapId: map.id, btfId: readMapTypes(map).btfId };
  } finally {
    map.close();
  }
}
