// SPDX-License-Identifier: Apache-2.0
// Carries out a plan: the only place that writes to the tables. Steps go in batches, kind by kind; a Service
// with a refused step gets none of its later ones, the rest go on.

import { setImmediate } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { ObjectKey } from '../model/objects.ts';
import { type Backend, frontendKey } from '../model/service-port.ts';
import type { ActualTables, FrontendEntry } from '../plan/actual-tables.ts';
import { type Plan, STEP_ORDER, type StepKind, type StepOf } from '../plan/plan.ts';
import { counterOf, SHARED_COUNTER } from '../plan/service-port-ids.ts';
import type { RefusedEntry } from '../sys/kernel-map.ts';
import {
  frontendEntryKey,
  frontendEntryValue,
  PRESENT,
  servicePortName,
  sourceRangeKey,
} from './entries.ts';
import { type FullTable, fullTable } from './full-tables.ts';
import type { KernelTables } from './kernel-tables.ts';

/** Why a Service is not as it should be. */
export interface Failure {
  readonly service: ObjectKey;
  readonly step: StepKind | 'growSlots';
  readonly message: string;
  /** The table that has no room for it, where it is that. */
  readonly full?: FullTable;
}

/** Entries per batch: 95 % of the speed of any larger one, and under 2 ms for the event loop. */
const BATCH = 1000;

/**
 * Applies `steps` and records in `actual` what the kernel took.
 *
 * @param slotCapacity slots that the plan counts on.
 * @returns one failure for each Service that is left incomplete.
 */
export async function apply(
  { steps }: Plan,
  slotCapacity: number,
  tables: KernelTables,
  actual: ActualTables,
): Promise<Failure[]> {
  const failures = new Map<ObjectKey, Failure>();
  const growFailure = await growSlots(slotCapacity, tables);
  const writers = stepWriters(tables, actual);
  for (const kind of STEP_ORDER) {
    if (kind === 'deleteFrontend') holdBack(steps.publishFrontend, actual, failures);
    for (const [from, to] of batches(kind, steps)) {
      if (from > 0) await setImmediate();
      applyBatch(kind, steps, [from, to], writers, failures);
    }
  }
  // Which Services a table that is too small hurts shows in their own steps; the cause is told with them.
  return [...failures.values()].map((failure) =>
    growFailure && failure.step === 'writeRun'
      ? { ...failure, step: 'growSlots', message: growFailure }
      : failure,
  );
}

/** From which step to which: a run counts as many entries as it has slots. */
function* batches(kind: StepKind, steps: Plan['steps']): Generator<[number, number]> {
  let [from, entries] = [0, 0];
  for (const [i, step] of steps[kind].entries()) {
    const more = kind === 'writeRun' && 'run' in step ? step.run.count : 1;
    if (entries > 0 && entries + more > BATCH) {
      yield [from, i];
      [from, entries] = [i, 0];
    }
    entries += more;
  }
  if (entries > 0) yield [from, steps[kind].length];
}

function applyBatch<K extends StepKind>(
  kind: K,
  steps: Plan['steps'],
  [from, to]: readonly [number, number],
  writers: StepWriters,
  failures: Map<ObjectKey, Failure>,
): void {
  const batch = steps[kind].slice(from, to) as StepOf<K>[];
  const pending = failures.size ? batch.filter((step) => !failures.has(step.service)) : batch;
  const { write, record } = writers[kind];
  const refused = new Map(write(pending).map(({ index, error }) => [index, error]));
  pending.forEach((step, index) => {
    const error = refused.get(index);
    if (!error) record(step);
    else failures.set(step.service, failureOf(step.service, kind, error));
  });
}

function failureOf(service: ObjectKey, step: StepKind, error: RefusedEntry['error']): Failure {
  const full = fullTable(step, error);
  return { service, step, message: error.message, ...(full && { full }) };
}

/**
 * A frontend that could not go from one Service to another still asks for the names and members of the
 * first, which therefore gives nothing up yet.
 */
function holdBack(
  published: Plan['steps']['publishFrontend'],
  actual: ActualTables,
  failures: Map<ObjectKey, Failure>,
): void {
  for (const { service, frontend } of failures.size ? published : []) {
    const failure = failures.get(service);
    const holder = actual.holderOf(frontend);
    if (!failure || holder === undefined || failures.has(holder)) continue;
    const message = `${frontendKey(frontend)} stays until ${service} has it: ${failure.message}`;
    failures.set(holder, { service: holder, step: 'deleteFrontend', message });
  }
}

interface StepWriter<K extends StepKind> {
  /** @returns refusals by index of the step. */
  readonly write: (steps: readonly StepOf<K>[]) => RefusedEntry[];
  readonly record: (step: StepOf<K>) => void;
}

type StepWriters = { readonly [K in StepKind]: StepWriter<K> };

function stepWriters(tables: KernelTables, actual: ActualTables): StepWriters {
  const { frontends, members, sourceRanges, servicePorts, serviceCounts, slots } = tables;
  const rangeKey = (step: StepOf<'addSourceRange'>) =>
    sourceRangeKey(step.servicePortId, step.range);
  type MemberStep = StepOf<'widenMember' | 'narrowMember'>;
  const writeMember = {
    write: (steps: readonly MemberStep[]) =>
      members.put(steps.map((step) => [step, { flags: step.flags }])),
    record: (step: MemberStep) => actual.recordMember(step.servicePortId, step.backend, step.flags),
  };
  return {
    nameServicePort: {
      write: (steps) => {
        // Before a frontend has the id: whatever was counted there was another's.
        serviceCounts.clear(
          steps.map(({ id }) => counterOf(id)).filter((c) => c !== SHARED_COUNTER),
        );
        return servicePorts.put(steps.map((s) => [s.id, servicePortName(s.servicePort)]));
      },
      record: (step) => actual.recordServicePort({ id: step.id, servicePort: step.servicePort }),
    },
    addSourceRange: {
      write: (steps) => sourceRanges.put(steps.map((step) => [rangeKey(step), PRESENT])),
      record: (step) => actual.recordSourceRange(step.servicePortId, step.range),
    },
    widenMember: writeMember,
    writeRun: {
      write: (steps) => writeRuns(slots, steps),
      record: () => {},
    },
    publishFrontend: {
      write: (steps) =>
        frontends.put(
          steps.map((step) => [frontendEntryKey(step.frontend), frontendEntryValue(step)]),
        ),
      record: (step) => actual.recordFrontend(frontendEntry(step)),
    },
    deleteFrontend: {
      write: (steps) => frontends.delete(steps.map((step) => frontendEntryKey(step.frontend))),
      record: (step) => actual.recordFrontendGone(step.frontend),
    },
    narrowMember: writeMember,
    removeMember: {
      write: (steps) => members.delete(steps),
      record: (step) => actual.recordMemberGone(step.servicePortId, step.backend),
    },
    removeSourceRange: {
      write: (steps) => sourceRanges.delete(steps.map(rangeKey)),
      record: (step) => actual.recordSourceRangeGone(step.servicePortId, step.range),
    },
    forgetServicePort: {
      write: (steps) => servicePorts.delete(steps.map((step) => step.id)),
      record: (step) => actual.recordServicePortGone(step),
    },
  };
}

/** Without the rest of the step; field by field, which takes half the memory of a copy without one. */
function frontendEntry(step: StepOf<'publishFrontend'>): FrontendEntry {
  const { frontend, servicePortId, kind, flags, affinityTimeoutSeconds, inside, outside } = step;
  return { frontend, servicePortId, kind, flags, affinityTimeoutSeconds, inside, outside };
}

/** All slots of all runs in one batch; a refused slot refuses its run. */
function writeRuns(
  slots: KernelTables['slots'],
  steps: readonly StepOf<'writeRun'>[],
): RefusedEntry[] {
  const owner: number[] = [];
  const entries: (readonly [number, Backend])[] = [];
  steps.forEach(({ run, backends }, index) => {
    for (let i = 0; i < backends.length; i++) {
      owner.push(index);
      entries.push([run.first + i, backends[i] as Backend]);
    }
  });
  return slots.write(entries).map(({ index, error }) => ({ index: owner[index] as number, error }));
}

/** @returns what went wrong. */
async function growSlots(capacity: number, { slots }: KernelTables): Promise<string | undefined> {
  if (capacity <= slots.capacity) return undefined;
  try {
    await slots.grow(capacity);
    return undefined;
  } catch (error) {
    return `cannot grow the slots from ${slots.capacity} to ${capacity}: ${messageOf(error)}`;
  }
}
