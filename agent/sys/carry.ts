// SPDX-License-Identifier: Apache-2.0
// Carries entries from one build's table into another's, by the names of fields: the kernel keeps the types (BTF) of every
// map, so that it needs no knowledge of the other build, which may be older or newer than this one. Called while an
// agent starts on tables that it had to make anew, and again while and after it switches to them.
//
// What is carried means here what it meant there; whatever would not is left out, and told.

import { BtfError } from './btf.ts';
import { CannotCarry, RecordPlan } from './carry-plan.ts';
import { CARRIED_TABLES, type CarrySource, hasServicePortIds } from './carry-source.ts';
import { goingOn } from './kernel-map.ts';
import { MAPS } from './layout.gen.ts';
import { KernelError } from './libbpf/kernel-error.ts';
import { type Batch, RawMap } from './libbpf/map.ts';
import { addEntry } from './libbpf/new-entry.ts';
import { entryLayouts } from './map-layouts.ts';
import type { Pins } from './pins.ts';

/** What came of it. */
export interface Carried {
  /** Entries that were written. */
  readonly carried: number;
  /** Entries that were there already, and stay as they are. */
  readonly kept: number;
  /** Entries whose values do not fit, or that the kernel refused. */
  readonly leftOut: number;
  /** Why nothing could be carried, or not all. */
  readonly problem?: string;
}

export interface TableCarried extends Carried {
  readonly table: string;
  /** The pin that it was carried from. */
  readonly from: string;
}

export interface HowToCarry {
  /**
   * What is there already stays: it is newer. But for what was carried before, and has been used since where it came from:
   * that its client has confirmed a connection, say. Otherwise it is replaced.
   */
  readonly onlyNew: boolean;
}

/**
 * Carries every table of `sources` into this build's own, in their order. What was carried before is carried again.
 * Takes some 2 us for an entry, and this thread with it.
 *
 * @param how with names of tables, when not all are meant.
 */
export function carryTables(
  pins: Pins,
  sources: readonly CarrySource[],
  how: HowToCarry & { readonly tables?: readonly string[] },
): TableCarried[] {
  const { tables } = how;
  const whyNoIds = whyIdsAreLost(pins, sources);
  return sources
    .filter(({ table }) => tables?.includes(table) ?? true)
    .map((source) => {
      const { table, pin, isOwnInUse } = source;
      if (whyNoIds !== undefined && hasServicePortIds(table)) {
        const problem = `the ids of its service ports are not carried: ${whyNoIds}`;
        return { table, from: pin, ...NOTHING, problem };
      }
      // Ids are given out by user space: those that this build has given out count.
      const onlyNew = how.onlyNew || isOwnInUse || table === MAPS.servicePorts.name;
      return {
        table,
        from: pin,
        ...between(pins, source, (a, b) => carryEntries(a, b, { onlyNew })),
      };
    });
}

/** Carries what `from` has into `to`. Never throws for what the kernel says, or for what is in either of them. */
export function carryEntries(from: RawMap, to: RawMap, { onlyNew }: HowToCarry): Carried {
  return telling(() => {
    const carrying = new Carrying(from, to, onlyNew);
    // A bucket that is longer than a batch is refused: a batch may be as long as the table.
    for (let size = BATCH; ; size *= 2) {
      try {
        return carrying.run(size);
      } catch (error) {
        const isTooShort = error instanceof KernelError && error.code === 'ENOSPC';
        if (!isTooShort || size >= from.maxEntries) throw error;
      }
    }
  });
}

const NOTHING: Carried = { carried: 0, kept: 0, leftOut: 0 };

/** Entries at a time. */
const BATCH = 4096;

class Carrying {
  readonly #from: RawMap;
  readonly #to: RawMap;
  readonly #onlyNew: boolean;
  readonly #plans: Plans;
  #counts = { carried: 0, kept: 0, leftOut: 0 };
  #problem: string | undefined;

  /** @throws KernelError, BtfError, CannotCarry */
  constructor(from: RawMap, to: RawMap, onlyNew: boolean) {
    this.#from = from;
    this.#to = to;
    this.#onlyNew = onlyNew;
    this.#plans = plansFor(from, to);
  }

  /** From the beginning. @throws KernelError when `from` cannot be read to its end. */
  run(batchSize: number): Carried {
    this.#counts = { carried: 0, kept: 0, leftOut: 0 };
    this.#problem = undefined;
    for (const batch of this.#from.batches(batchSize)) this.#carry(batch);
    return { ...this.#counts, ...(this.#problem !== undefined && { problem: this.#problem }) };
  }

  #carry({ keys, values, count }: Batch): void {
    const [from, to] = [this.#from, this.#to];
    const newKeys = new Uint8Array(count * to.keySize);
    const newValues = new Uint8Array(count * to.valueSize);
    let fitting = 0;
    for (let i = 0; i < count; i++) {
      const [keyAt, valueAt] = [fitting * to.keySize, fitting * to.valueSize];
      const misfit =
        this.#plans.key.apply(keys, i * from.keySize, newKeys, keyAt) ??
        this.#plans.value.apply(values, i * from.valueSize, newValues, valueAt);
      if (misfit === undefined) {
        fitting++;
      } else {
        newKeys.fill(0, keyAt, keyAt + to.keySize);
        newValues.fill(0, valueAt, valueAt + to.valueSize);
        this.#leaveOut(`the value of field ${misfit} does not fit`);
      }
    }
    if (this.#onlyNew) this.#add(newKeys, newValues, fitting);
    else this.#replace(newKeys, newValues, fitting);
  }

  #replace(keys: Uint8Array, values: Uint8Array, count: number): void {
    const to = this.#to;
    const refused = goingOn(count, (first) =>
      to.updateBatch(
        keys.subarray(first * to.keySize),
        values.subarray(first * to.valueSize),
        count - first,
      ),
    );
    this.#counts.carried += count - refused.length;
    for (const { error } of refused) this.#leaveOut(error.message);
  }

  #add(keys: Uint8Array, values: Uint8Array, count: number): void {
    const { keySize, valueSize } = this.#to;
    for (let i = 0; i < count; i++) {
      const key = keys.subarray(i * keySize, (i + 1) * keySize);
      const value = values.subarray(i * valueSize, (i + 1) * valueSize);
      try {
        const there = new Uint8Array(valueSize);
        const isAdded = addEntry(this.#to, key, value, there);
        const isLater = !isAdded && this.#plans.value.takesOver(value, there);
        if (isLater) this.#to.update(key, value);
        if (isAdded || isLater) this.#counts.carried++;
        else this.#counts.kept++;
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        this.#leaveOut(error.message);
      }
    }
  }

  #leaveOut(why: string): void {
    this.#counts.leftOut++;
    this.#problem ??= why;
  }
}

interface Plans {
  readonly key: RecordPlan;
  readonly value: RecordPlan;
}

/** @throws KernelError, BtfError, CannotCarry */
function plansFor(from: RawMap, to: RawMap): Plans {
  const [theirs, ours] = [entryLayouts(from), entryLayouts(to)];
  return {
    key: new RecordPlan(theirs.key, ours.key, true),
    value: new RecordPlan(theirs.value, ours.value, false),
  };
}

/** @returns why ids of the other build's service ports are none of this build's. */
function whyIdsAreLost(pins: Pins, sources: readonly CarrySource[]): string | undefined {
  const source = sources.find(({ table }) => table === MAPS.servicePorts.name);
  if (!source) return undefined;
  return between(pins, source, (from, to) => {
    plansFor(from, to);
    return NOTHING;
  }).problem;
}

/** Opens both tables for as long as `carry` runs. */
function between(
  pins: Pins,
  { table, pin }: CarrySource,
  carry: (from: RawMap, to: RawMap) => Carried,
): Carried {
  const spec = CARRIED_TABLES.find(({ name }) => name === table);
  if (!spec) throw new RangeError(`${table} is not carried`);
  return telling(() => {
    const from = RawMap.openPin(pin);
    try {
      const to = RawMap.openPin(pins.map(spec));
      try {
        return carry(from, to);
      } finally {
        to.close();
      }
    } finally {
      from.close();
    }
  });
}

/** What the kernel refuses, and what of a build cannot be read, is told. */
function telling(carry: () => Carried): Carried {
  try {
    return carry();
  } catch (error) {
    const isTold = [KernelError, BtfError, CannotCarry].some((kind) => error instanceof kind);
    if (!isTold) throw error;
    return { ...NOTHING, problem: (error as Error).message };
  }
}
