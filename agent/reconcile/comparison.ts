// SPDX-License-Identifier: Apache-2.0
// Whether the kernel's tables are as the agent left them: what an audit looks at first. Nothing is built anew for it, as
// restore.ts does, which takes many times the CPU and is only needed where something differs. Reads only.

import { backendSetKey } from '../model/service-port.ts';
import type { ActualTables, NamedRun } from '../plan/actual-tables.ts';
import type { IpPort, SlotRun } from '../sys/layout.gen.ts';
import { frontendOf, servicePortOf, sourceRangeOf } from './entries.ts';
import type { KernelTables } from './kernel-tables.ts';

/**
 * May rest where it yields; nobody may write to the tables meanwhile.
 *
 * @returns how many slots the frontends name; undefined when an entry is missing, is there besides, or differs.
 */
export function* slotsWhereAsRecorded(
  tables: KernelTables,
  actual: ActualTables,
): Generator<void, number | undefined> {
  const areSame =
    (yield* areNamesAsRecorded(tables, actual)) && (yield* areListsAsRecorded(tables, actual));
  return areSame ? yield* slotsOfFrontends(tables, actual) : undefined;
}

function* areNamesAsRecorded(
  { servicePorts }: KernelTables,
  actual: ActualTables,
): Generator<void, boolean> {
  const entries = servicePorts.entries();
  if (entries.length !== actual.servicePorts.size) return false;
  for (const [id, name] of entries) {
    const [recorded, found] = [actual.servicePort(id), servicePortOf(name)];
    const isSame =
      recorded?.service === found?.service &&
      recorded?.portName === found?.portName &&
      recorded?.protocol === found?.protocol;
    if (!recorded || !isSame) return false;
    yield;
  }
  return true;
}

/** What service ports have lists of. */
function* areListsAsRecorded(
  { members, sourceRanges }: KernelTables,
  actual: ActualTables,
): Generator<void, boolean> {
  const foundMembers = members.entries();
  if (foundMembers.length !== actual.memberCount) return false;
  for (const [{ servicePortId, backend }, { flags }] of foundMembers) {
    if (actual.memberFlags(servicePortId, backend) !== flags) return false;
    yield;
  }
  const foundRanges = sourceRanges.entries();
  if (foundRanges.length !== actual.sourceRangeCount) return false;
  for (const [key] of foundRanges) {
    if (!actual.hasSourceRange(key.servicePortId, sourceRangeOf(key))) return false;
    yield;
  }
  return true;
}

/** @returns as {@link slotsWhereAsRecorded}. */
function* slotsOfFrontends(
  tables: KernelTables,
  actual: ActualTables,
): Generator<void, number | undefined> {
  const slots = tables.slots.read();
  yield;
  const entries = tables.frontends.entries();
  yield;
  if (entries.length !== actual.frontends.size) return undefined;
  const named = new Set<number>();
  let count = 0;
  for (const [key, found] of entries) {
    const frontend = frontendOf(key);
    const recorded = frontend && actual.frontend(frontend);
    const isSame =
      recorded !== undefined &&
      recorded.servicePortId === found.servicePortId &&
      recorded.kind === found.kind &&
      recorded.flags === found.flags &&
      recorded.affinityTimeoutSeconds === found.affinityTimeoutSeconds;
    if (!isSame) return undefined;
    for (const [run, of] of [
      [found.inside, recorded.inside],
      [found.outside, recorded.outside],
    ] as const) {
      if (run.first !== of.run.first || run.count !== of.run.count) return undefined;
      if (named.has(run.first) && run.count > 0) continue;
      if (!isAsWritten(slots, run, of)) return undefined;
      if (run.count === 0) continue;
      named.add(run.first);
      count += run.count;
    }
    yield;
  }
  return count;
}

function isAsWritten(slots: readonly IpPort[], run: SlotRun, { backendSet }: NamedRun): boolean {
  if (run.first + run.count > slots.length) return false;
  return backendSetKey(slots.slice(run.first, run.first + run.count)) === backendSet;
}
