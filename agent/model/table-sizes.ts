// SPDX-License-Identifier: Apache-2.0
// Tables of the kernel that an operator may make larger or smaller than they are made by themselves: --table-size. Pure;
// names are those of bpf/maps.bpf.h, of `signalbox status` and of metrics.

/** What bounds the number that may be asked for, in entries. */
interface Bounds {
  readonly least: number;
  readonly most: number;
}

/** An entry takes memory when it is written: a bucket of 16 bytes is all that a larger bound costs. */
const AS_WRITTEN: Bounds = { least: 16, most: 4_194_304 };
/** All entries are there from the start. */
const AT_ONCE: Bounds = { least: 1024, most: 1_048_576 };

const BOUNDS = {
  frontends: AS_WRITTEN,
  members: AS_WRITTEN,
  service_ports: AS_WRITTEN,
  source_ranges: AS_WRITTEN,
  flows: { ...AS_WRITTEN, least: 1024 },
  affinities: AT_ONCE,
  /** And of `udp_services`, which has as many. */
  udp_backends: AT_ONCE,
} as const satisfies Readonly<Record<string, Bounds>>;

export type SizedTable = keyof typeof BOUNDS;

export const SIZED_TABLES = Object.keys(BOUNDS) as readonly SizedTable[];

/** Entries of each table that somebody has asked for. */
export type TableSizes = ReadonlyMap<SizedTable, number>;

export function isSizedTable(name: string): name is SizedTable {
  return Object.hasOwn(BOUNDS, name);
}

/**
 * One word of --table-size: `members=262144`.
 *
 * @returns what is wrong with it, and what would be right, when it cannot be used.
 */
export function parseTableSize(
  word: string,
): readonly [SizedTable, number] | { readonly invalid: string } {
  const [, name = '', digits = ''] = /^([^=]*)=(.*)$/.exec(word) ?? [];
  if (!name) return { invalid: `${word}: must be a table and its entries, as members=262144` };
  if (!isSizedTable(name)) {
    const meant = name.toLowerCase().replaceAll('-', '_');
    const hint = isSizedTable(meant) ? `${meant} is meant?` : `one of ${SIZED_TABLES.join(', ')}`;
    return { invalid: `${word}: there is no table ${name} whose size can be chosen; ${hint}` };
  }
  const { least, most } = BOUNDS[name];
  const entries = /^\d+$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(entries >= least && entries <= most)) {
    return { invalid: `${word}: must be a number from ${least} to ${most}` };
  }
  return [name, entries];
}

/** A size that is worth a restart, for a table that has become too small; undefined: it is as large as may be. */
export function largerSize(table: SizedTable, capacity: number): number | undefined {
  const { most } = BOUNDS[table];
  if (capacity >= most) return undefined;
  return Math.min(most, 2 ** Math.ceil(Math.log2(capacity * 2)));
}

/** From where on a table counts as nearly full. */
const NEARLY_FULL = 0.8;

function isNearlyFull(entries: number, capacity: number): boolean {
  return entries >= capacity * NEARLY_FULL;
}

/** What makes room in a table that is too small, for people. */
export function roomFor(table: SizedTable, capacity: number): string {
  const size = largerSize(table, capacity);
  return size === undefined
    ? 'it cannot be made larger: remove Services'
    : `--table-size ${table}=${size} of the agent makes room`;
}

/** Of a table that is nearly full, in one line; undefined when there is nothing to say, as of tables that grow. */
export function nearlyFullText({
  table,
  entries,
  capacity,
}: {
  readonly table: string;
  readonly entries: number;
  readonly capacity: number;
}): string | undefined {
  if (!isSizedTable(table) || !isNearlyFull(entries, capacity)) return undefined;
  return `${table} ${entries} of ${capacity} entries: ${roomFor(table, capacity)}`;
}
