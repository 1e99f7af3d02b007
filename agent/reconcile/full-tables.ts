// SPDX-License-Identifier: Apache-2.0
// Tables that have become too small: which of them refused a step, and where there is room again. Pure.

import type { SizedTable } from '../model/table-sizes.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import type { StepKind } from '../plan/plan.ts';
import type { RefusedEntry } from '../sys/kernel-map.ts';

/** Steps that take an entry. Slots are not here: their array grows. */
const TABLE_OF: Readonly<Partial<Record<StepKind, SizedTable>>> = {
  nameServicePort: 'service_ports',
  addSourceRange: 'source_ranges',
  widenMember: 'members',
  publishFrontend: 'frontends',
};

/** What a hash says that is full, and a trie (kernel/bpf/hashtab.c, lpm_trie.c). */
const FULL: readonly string[] = ['E2BIG', 'ENOSPC'];

export interface FullTable {
  readonly table: SizedTable;
  /** What the kernel answered: E2BIG, ENOSPC. */
  readonly code: string;
}

/** @returns the table that has no room for `step`; undefined when it was refused for something else. */
export function fullTable(step: StepKind, { code }: RefusedEntry['error']): FullTable | undefined {
  const table = TABLE_OF[step];
  return table && FULL.includes(code) ? { table, code } : undefined;
}

/** Entries of each table that Services fill. */
export type Fill = ReadonlyMap<SizedTable, number>;

export function fillOf(actual: ActualTables): Fill {
  return new Map([
    ['frontends', actual.frontends.size],
    ['members', actual.memberCount],
    ['source_ranges', actual.sourceRangeCount],
    ['service_ports', actual.servicePorts.size],
  ]);
}

/** @returns by how much each table holds less than `before`; those that do not are left out. */
export function roomSince(before: Fill, actual: ActualTables): Fill {
  const after = fillOf(actual);
  return new Map(
    [...before].flatMap(([table, entries]) => {
      const room = entries - (after.get(table) ?? 0);
      return room > 0 ? [[table, room] as const] : [];
    }),
  );
}
