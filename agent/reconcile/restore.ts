// SPDX-License-Identifier: Apache-2.0
// The kernel's tables -> what the agent knows of them: at start, and again when an audit has found something else than the
// agent has written. Reads only.
//
// Entries without a name (a crash between two writes, somebody else's hand) are given to a Service that
// cannot exist, so that the first pass over everything takes them away.

import {
  type BackendSetKey,
  backendSetKey,
  type ServicePort,
  servicePortKey,
} from '../model/service-port.ts';
import { ActualTables, type NamedRun } from '../plan/actual-tables.ts';
import type { FrontendKey, FrontendValue, SlotRun } from '../sys/layout.gen.ts';
import { PIECE } from './comparison.ts';
import { frontendOf, servicePortOf, sourceRangeOf } from './entries.ts';
import type { KernelTables, SlotTable, Table } from './kernel-tables.ts';

export interface Restored {
  readonly actual: ActualTables;
  /** Runs that frontends name. */
  readonly runs: readonly SlotRun[];
}

/** Owner of what nobody owns: no object can have this name. */
const NOBODY = '?/?';

/** All at once: for the start, when nothing else is to be done. */
export function restore(tables: KernelTables): Restored {
  const restoring = restoreInParts(tables, []);
  for (;;) {
    const { done, value } = restoring.next();
    if (done) return value;
  }
}

/**
 * May rest where it yields; nobody may write to the tables meanwhile.
 *
 * @param reserved runs that nothing names and that must not be used yet.
 */
export function* restoreInParts(
  tables: KernelTables,
  reserved: readonly SlotRun[],
): Generator<void, Restored> {
  const actual = new ActualTables(tables.serviceCounts.capacity);
  for (const [id, name] of yield* entriesOf(tables.servicePorts)) {
    const servicePort = servicePortOf(name);
    const isFree = servicePort && !actual.servicePorts.has(servicePortKey(servicePort));
    if (isFree) actual.recordServicePort({ id, servicePort });
    else nameIfUnknown(actual, id);
    yield;
  }
  for (const [{ servicePortId, backend }, { flags }] of yield* entriesOf(tables.members)) {
    nameIfUnknown(actual, servicePortId);
    actual.recordMember(servicePortId, backend, flags);
    yield;
  }
  for (const [key] of yield* entriesOf(tables.sourceRanges)) {
    nameIfUnknown(actual, key.servicePortId);
    actual.recordSourceRange(key.servicePortId, sourceRangeOf(key));
    yield;
  }
  const entries = yield* entriesOf(tables.frontends);
  const runs = yield* restoreFrontends(entries, tables.slots, actual, reserved);
  return { actual, runs };
}

/** Read piece by piece. */
function* entriesOf<K, V>(table: Pick<Table<K, V>, 'batches'>): Generator<void, [K, V][]> {
  const all: [K, V][] = [];
  for (const piece of table.batches(PIECE)) {
    for (const entry of piece) all.push(entry);
    yield;
  }
  return all;
}

/** @returns the runs in use. */
function* restoreFrontends(
  entries: readonly (readonly [FrontendKey, FrontendValue])[],
  slots: SlotTable,
  actual: ActualTables,
  reserved: readonly SlotRun[],
): Generator<void, SlotRun[]> {
  const shared = overlapping(
    entries.flatMap(([, { inside, outside }]) => [inside, outside]),
    reserved,
  );
  const used: SlotRun[] = [];
  /** By their first slots: several frontends name the same one, which is read once. */
  const known = new Map<number, NamedRun>();
  const named = (run: SlotRun): NamedRun => {
    if (run.first + run.count <= slots.capacity) used.push(run);
    const isAlone = run.count > 0 && !shared.has(run.first);
    const before = isAlone ? known.get(run.first) : undefined;
    if (before) return before;
    const backendSet = shared.has(run.first) ? undefined : readRun(slots, run);
    // A damaged run is never given back: its slots may be another's. The next audit finds them free.
    const now = { run: backendSet === undefined ? NO_RUN : run, backendSet };
    if (isAlone) known.set(run.first, now);
    return now;
  };
  for (const [key, { servicePortId, kind, flags, affinityTimeoutSeconds, ...runs }] of entries) {
    const frontend = frontendOf(key);
    if (!frontend) continue;
    nameIfUnknown(actual, servicePortId);
    const inside = named(runs.inside);
    const outside = isSame(runs.inside, runs.outside) ? inside : named(runs.outside);
    const settings = { kind, flags, affinityTimeoutSeconds };
    actual.recordFrontend({ frontend, servicePortId, ...settings, inside, outside });
    yield;
  }
  return used;
}

function isSame(a: SlotRun, b: SlotRun): boolean {
  return a.first === b.first && a.count === b.count;
}

const NO_RUN: SlotRun = { first: 0, count: 0 };

/** @returns undefined when the run lies outside the slots. */
function readRun(slots: SlotTable, { first, count }: SlotRun): BackendSetKey | undefined {
  if (first + count > slots.capacity) return undefined;
  return backendSetKey(slots.read(first, count));
}

/**
 * First slots of `runs` that share slots with another run without being the same, or with a reserved one:
 * never written so by this agent.
 */
function overlapping(runs: readonly SlotRun[], reserved: readonly SlotRun[]): Set<number> {
  const all = [
    ...runs.map((run) => ({ ...run, isReserved: false })),
    ...reserved.map((run) => ({ ...run, isReserved: true })),
  ];
  const sorted = all.filter((run) => run.count > 0).sort((a, b) => a.first - b.first);
  const damaged = new Set<number>();
  let last: (typeof all)[number] | undefined;
  for (const run of sorted) {
    const isSame = last?.first === run.first && last.count === run.count;
    const mayShare = isSame && !last?.isReserved && !run.isReserved;
    if (last && !mayShare && run.first < last.first + last.count) {
      damaged.add(last.first);
      damaged.add(run.first);
    }
    if (!last || run.first + run.count > last.first + last.count) last = run;
  }
  return damaged;
}

function nameIfUnknown(actual: ActualTables, id: number): void {
  if (actual.hasServicePortId(id)) return;
  const servicePort: ServicePort = { service: NOBODY, portName: String(id), protocol: 'TCP' };
  actual.recordServicePort({ id, servicePort });
}
