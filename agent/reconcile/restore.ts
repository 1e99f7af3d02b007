// SPDX-License-Identifier: Apache-2.0
// The kernel's tables -> what the agent knows of them: at start, and again at each audit. Reads only.
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
import { SlotAllocator } from '../plan/slot-allocator.ts';
import type { IpPort, SlotRun } from '../sys/layout.gen.ts';
import { frontendOf, servicePortOf, sourceRangeOf } from './entries.ts';
import type { KernelTables } from './kernel-tables.ts';

export interface Restored {
  readonly actual: ActualTables;
  readonly slots: SlotAllocator;
}

/** Owner of what nobody owns: no object can have this name. */
const NOBODY = '?/?';

/** @param reserved runs that nothing names and that must not be used yet. */
export function restore(tables: KernelTables, reserved: readonly SlotRun[]): Restored {
  const actual = new ActualTables();
  for (const [id, name] of tables.servicePorts.entries()) {
    const servicePort = servicePortOf(name);
    const isFree = servicePort && !actual.servicePorts.has(servicePortKey(servicePort));
    if (isFree) actual.recordServicePort({ id, servicePort });
    else nameIfUnknown(actual, id);
  }
  for (const [{ servicePortId, backend }, { flags }] of tables.members.entries()) {
    nameIfUnknown(actual, servicePortId);
    actual.recordMember(servicePortId, backend, flags);
  }
  for (const [key] of tables.sourceRanges.entries()) {
    nameIfUnknown(actual, key.servicePortId);
    actual.recordSourceRange(key.servicePortId, sourceRangeOf(key));
  }
  const runs = restoreFrontends(tables, actual, reserved);
  return { actual, slots: new SlotAllocator(tables.slots.capacity, [...runs, ...reserved]) };
}

/** @returns the runs in use. */
function restoreFrontends(
  tables: KernelTables,
  actual: ActualTables,
  reserved: readonly SlotRun[],
): SlotRun[] {
  const slots = tables.slots.read();
  const entries = tables.frontends.entries();
  const shared = overlapping(
    entries.flatMap(([, { inside, outside }]) => [inside, outside]),
    reserved,
  );
  const used: SlotRun[] = [];
  const named = (run: SlotRun): NamedRun => {
    if (run.first + run.count <= slots.length) used.push(run);
    const backendSet = shared.has(run.first) ? undefined : readRun(slots, run);
    // A damaged run is never given back: its slots may be another's. The next audit finds them free.
    return { run: backendSet === undefined ? NO_RUN : run, backendSet };
  };
  for (const [key, { servicePortId, kind, flags, affinityTimeoutSeconds, ...runs }] of entries) {
    const frontend = frontendOf(key);
    if (!frontend) continue;
    nameIfUnknown(actual, servicePortId);
    const [inside, outside] = [named(runs.inside), named(runs.outside)];
    const settings = { kind, flags, affinityTimeoutSeconds };
    actual.recordFrontend({ frontend, servicePortId, ...settings, inside, outside });
  }
  return used;
}

const NO_RUN: SlotRun = { first: 0, count: 0 };

/** @returns undefined when the run lies outside the slots. */
function readRun(slots: readonly IpPort[], { first, count }: SlotRun): BackendSetKey | undefined {
  if (first + count > slots.length) return undefined;
  return backendSetKey(slots.slice(first, first + count));
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
