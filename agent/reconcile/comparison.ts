// SPDX-License-Identifier: Apache-2.0
// Whether the kernel's tables are as the agent left them: what an audit looks at first. Nothing is built anew for it, as
// restore.ts does, which takes many times the CPU and is only needed where something differs. Reads only.
//
// The agent writes between the pieces, and yet what differs was done by somebody else:
// - A piece is read and compared in one turn, and `actual` is right at the end of each turn. What is read and not
//   recorded, or recorded otherwise, is not the agent's.
// - A hash is walked bucket by bucket, each whole. What nobody writes comes once, whatever happens to its neighbours: of
//   a service port that the agent has not written to, as many entries are found as are recorded.
// - Those of service ports that it has written to, or of which another number was found, are looked up one by one, all
//   of one service port in one turn.

import { backendSetKey } from '../model/service-port.ts';
import type { ActualTables, FrontendEntry, NamedRun } from '../plan/actual-tables.ts';
import type {
  FrontendKey,
  FrontendValue,
  MemberKey,
  MemberValue,
  SlotRun,
} from '../sys/layout.gen.ts';
import { frontendEntryKey, frontendOf, servicePortOf, sourceRangeOf } from './entries.ts';
import type { KernelTables, Table } from './kernel-tables.ts';

/** Entries that are read and compared in one go: some milliseconds. */
export const PIECE = 1000;

/**
 * May rest where it yields. Meanwhile whoever records it in `actual` may write to the tables.
 *
 * @returns whether an entry is missing, is there besides, or differs.
 */
export function* isSomethingElse(
  tables: KernelTables,
  actual: ActualTables,
): Generator<void, boolean> {
  try {
    return (
      (yield* differs(actual, names(tables, actual))) ||
      (yield* differs(actual, members(tables, actual))) ||
      areOtherRanges(tables, actual) ||
      (yield* differs(actual, frontends(tables, actual)))
    );
  } finally {
    actual.noteWrites(undefined);
  }
}

/** A table, and what is recorded of it, by service port. */
interface Compared<K, V> {
  readonly table: Pick<Table<K, V>, 'batches' | 'get'>;
  /** @returns the id of its service port; undefined when it is not as recorded; 'none' of what no agent has written. */
  readonly recordedOf: (key: K, value: V) => number | 'none' | undefined;
  readonly keysOf: (servicePortId: number) => readonly K[];
  /** How many {@link keysOf} are. */
  readonly countOf: (servicePortId: number) => number;
}

function* differs<K, V>(
  actual: ActualTables,
  { table, recordedOf, keysOf, countOf }: Compared<K, V>,
): Generator<void, boolean> {
  const written = new Set<number>();
  actual.noteWrites(written);
  const unseen = new Map<number, number>();
  for (const id of actual.servicePortIds()) unseen.set(id, countOf(id));
  yield;
  for (const piece of table.batches(PIECE)) {
    for (const [key, value] of piece) {
      const id = recordedOf(key, value);
      if (id === undefined) return true;
      if (id !== 'none') unseen.set(id, (unseen.get(id) ?? 0) - 1);
    }
    yield;
  }
  for (const id of written) unseen.set(id, Number.NaN);
  for (const [id, count] of unseen) {
    if (count === 0) continue;
    for (const key of keysOf(id)) {
      const value = table.get(key);
      if (value === undefined || recordedOf(key, value) === undefined) return true;
    }
    yield;
  }
  return false;
}

function names(
  { servicePorts }: KernelTables,
  actual: ActualTables,
): Compared<number, ReturnType<KernelTables['servicePorts']['entries']>[number][1]> {
  const has = (id: number) => actual.servicePort(id) !== undefined;
  return {
    table: servicePorts,
    recordedOf: (id, name) => {
      const [recorded, found] = [actual.servicePort(id), servicePortOf(name)];
      const isSame =
        recorded !== undefined &&
        recorded.service === found?.service &&
        recorded.portName === found.portName &&
        recorded.protocol === found.protocol;
      return isSame ? id : undefined;
    },
    keysOf: (id) => (has(id) ? [id] : []),
    countOf: (id) => (has(id) ? 1 : 0),
  };
}

function members(
  { members: table }: KernelTables,
  actual: ActualTables,
): Compared<MemberKey, MemberValue> {
  return {
    table,
    recordedOf: ({ servicePortId, backend }, { flags }) =>
      actual.memberFlags(servicePortId, backend) === flags ? servicePortId : undefined,
    keysOf: (servicePortId) =>
      actual.membersOf(servicePortId).map(({ backend }) => ({ servicePortId, backend })),
    countOf: (servicePortId) => actual.membersOf(servicePortId).length,
  };
}

/**
 * All in one go: a walk of a trie of prefixes begins anew where the prefix that it stands at is deleted, and single ones
 * cannot be looked up in it. There are few.
 */
function areOtherRanges({ sourceRanges }: KernelTables, actual: ActualTables): boolean {
  const found = sourceRanges.entries();
  return (
    found.length !== actual.sourceRangeCount ||
    found.some(([key]) => !actual.hasSourceRange(key.servicePortId, sourceRangeOf(key)))
  );
}

/** With the slots of the runs that they name: nobody writes to a run that is named. */
function frontends(
  { frontends: table, slots }: KernelTables,
  actual: ActualTables,
): Compared<FrontendKey, FrontendValue> {
  /** By their first slots: several frontends name the same one. */
  const seen = new Set<number>();
  const isAsWritten = ({ first, count }: SlotRun, { backendSet }: NamedRun): boolean => {
    if (count > 0 && seen.has(first)) return true;
    if (first + count > slots.capacity) return false;
    seen.add(count > 0 ? first : -1);
    return backendSetKey(slots.read(first, count)) === backendSet;
  };
  return {
    table,
    recordedOf: (key, found) => {
      const frontend = frontendOf(key);
      if (!frontend) return 'none';
      const recorded = actual.frontend(frontend);
      if (!recorded || !isSameEntry(found, recorded)) return undefined;
      const areAsWritten =
        isAsWritten(found.inside, recorded.inside) && isAsWritten(found.outside, recorded.outside);
      return areAsWritten ? recorded.servicePortId : undefined;
    },
    keysOf: (id) => actual.frontendsOf(id).map(({ frontend }) => frontendEntryKey(frontend)),
    countOf: (id) => actual.frontendsOf(id).length,
  };
}

function isSameEntry(found: FrontendValue, recorded: FrontendEntry): boolean {
  return (
    recorded.servicePortId === found.servicePortId &&
    recorded.kind === found.kind &&
    recorded.flags === found.flags &&
    recorded.affinityTimeoutSeconds === found.affinityTimeoutSeconds &&
    isSameRun(found.inside, recorded.inside.run) &&
    isSameRun(found.outside, recorded.outside.run)
  );
}

function isSameRun(a: SlotRun, b: SlotRun): boolean {
  return a.first === b.first && a.count === b.count;
}
