// SPDX-License-Identifier: Apache-2.0
// How a record of one build becomes one of another: by the names of its fields, and of the flags in them. Pure, and the
// same for both directions: to this build it makes no difference whether the other one is older or newer.
//
// A record is carried whole or not at all: what would say something else than before is left out.

import type { BtfField, BtfLayout } from './btf-layout.ts';

/** Why nothing can be carried: words that go on from "it is not carried: ". */
export class CannotCarry extends Error {}

/** What a struct pads itself with is always zero (bpf/abi.h), and comes and goes. */
const PADDING = /(?:^|\.)pad(?:\[\d+\])*$/;

/** Enums whose constants come together, as scripts/layout/emit.ts has it. */
const FLAGS = /_flags$/;

/** When something was: nanoseconds since the boot. */
const TIME = /(?:^|\.)\w+_ns$/;

/** What is longer than a register is copied or left alone. */
const MOST_BITS = 64;

interface Copy {
  readonly from: number;
  readonly to: number;
  length: number;
}

interface Conversion {
  readonly from: BtfField;
  readonly to: BtfField;
  /** Bits to keep; undefined: all. */
  readonly kept: bigint | undefined;
}

/** Bits of a byte to keep. */
interface Mask {
  readonly to: number;
  readonly kept: number;
}

/** Made once for a table, for its keys or its values. */
export class RecordPlan {
  readonly #copies: Copy[] = [];
  readonly #conversions: Conversion[] = [];
  readonly #masks: Mask[] = [];
  /** Of what is carried: when it was, and all else but flags. */
  readonly #times: BtfField[] = [];
  readonly #facts: BtfField[] = [];
  /** Of an array that is shorter now: what must be zero. */
  readonly #cut: BtfField[] = [];

  /**
   * @param isKey whether both sides must have every field: what is no part of the key there would be any value of it here.
   * @throws CannotCarry
   */
  constructor(from: BtfLayout, to: BtfLayout, isKey: boolean) {
    const what = isKey ? 'key' : 'value';
    const [ours, theirs] = [byPath(to), byPath(from)];
    if (isKey) {
      for (const path of theirs.keys()) {
        if (!ours.has(path)) throw new CannotCarry(`${what} field ${path} is not known here`);
      }
      for (const path of ours.keys()) {
        if (!theirs.has(path)) throw new CannotCarry(`${what} field ${path} is not known there`);
      }
    }
    let shared = 0;
    for (const [path, field] of theirs) {
      const target = ours.get(path);
      if (target) {
        this.#addField(field, target, `${what} field ${path || 'itself'}`);
        shared++;
      } else if (ours.has(path.replace(/\[\d+\]/g, '[0]'))) {
        this.#cut.push(field);
      }
    }
    if (shared === 0) throw new CannotCarry(`no field of the ${what} is known on both sides`);
    this.#copies = merged(this.#copies);
  }

  /**
   * Makes the record at `toAt`, where all is zero. Both lie within their buffers.
   *
   * @returns the path of a field whose value does not fit; the record is not to be used then.
   */
  apply(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number): string | undefined {
    for (const field of this.#cut) {
      if (readBits(from, fromAt, field) !== 0n) return field.path;
    }
    for (const copy of this.#copies) {
      for (let i = 0; i < copy.length; i++) {
        to[toAt + copy.to + i] = from[fromAt + copy.from + i] as number;
      }
    }
    for (const { from: source, to: target, kept } of this.#conversions) {
      const value = readBits(from, fromAt, source);
      if (value !== fitted(value, target)) return target.path;
      writeBits(to, toAt, target, kept === undefined ? value : value & kept);
    }
    for (const mask of this.#masks) {
      to[toAt + mask.to] = (to[toAt + mask.to] as number) & mask.kept;
    }
    return undefined;
  }

  /**
   * Whether a carried `record` is of the same thing as the one that is `there`, and tells of it what was later. Flags that
   * are there are then in the record, too.
   */
  takesOver(record: Uint8Array, there: Uint8Array): boolean {
    if (Buffer.compare(record, there) === 0) return false;
    const [when, whenThere] = [this.#latest(record), this.#latest(there)];
    const isSame = this.#facts.every((field) => isEqual(record, there, field));
    if (when <= whenThere || !isSame) return false;
    for (const { to, kept } of this.#masks) {
      record[to] = (record[to] as number) | ((there[to] as number) & kept);
    }
    return true;
  }

  /** 0: no time is known. */
  #latest(record: Uint8Array): bigint {
    return this.#times.reduce((latest, field) => {
      const time = readBits(record, 0, field);
      return time > latest ? time : latest;
    }, 0n);
  }

  #addField(from: BtfField, to: BtfField, what: string): void {
    if (from.kind !== to.kind || from.shape !== to.shape) {
      throw new CannotCarry(`${what} is of another kind (${from.kind} there, ${to.kind} here)`);
    }
    const kept = keptFlags(from, to, what);
    if (TIME.test(to.path)) this.#times.push(to);
    else if (kept === undefined) this.#facts.push(to);
    const isSame = from.bits === to.bits && from.isSigned === to.isSigned;
    if (isSame && isOfBytes(from) && isOfBytes(to)) {
      const copy = { from: from.bitOffset / 8, to: to.bitOffset / 8, length: to.bits / 8 };
      this.#copies.push(copy);
      if (kept !== undefined) this.#addMasks(copy, kept);
      return;
    }
    if (to.kind !== 'integer' || from.bits > MOST_BITS || to.bits > MOST_BITS) {
      throw new CannotCarry(`${what} has ${from.bits} bits there and ${to.bits} here`);
    }
    this.#conversions.push({ from, to, kept });
  }

  #addMasks({ to, length }: Copy, kept: bigint): void {
    for (let i = 0; i < length; i++) {
      this.#masks.push({ to: to + i, kept: Number((kept >> BigInt(8 * i)) & 0xffn) });
    }
  }
}

function byPath({ fields }: BtfLayout): Map<string, BtfField> {
  const meant = fields.filter(({ path }) => !PADDING.test(path));
  return new Map(meant.map((field) => [field.path, field]));
}

function isOfBytes({ bitOffset, bits }: BtfField): boolean {
  return bitOffset % 8 === 0 && bits % 8 === 0;
}

/**
 * Of flags, those that have a name on both sides. What is among them without one is no flag: of a flow its place in
 * `flow_queue`, which is begun anew with the flows. One that kept a place in there would be nobody's, and never take another.
 *
 * @returns undefined for all.
 * @throws CannotCarry when a constant means something else on the other side.
 */
function keptFlags(from: BtfField, to: BtfField, what: string): bigint | undefined {
  const [theirs, ours] = [from.constants, to.constants];
  if (!theirs?.size || !ours?.size) return undefined;
  for (const [name, value] of ours) {
    const there = theirs.get(name);
    if (there !== undefined && there !== value) {
      throw new CannotCarry(`${what}: ${name} is ${there} there and ${value} here`);
    }
    const names = namesOf(theirs, value);
    if (names.length > 0 && !names.some((other) => ours.get(other) === value)) {
      throw new CannotCarry(`${what}: ${value} is ${names[0]} there and ${name} here`);
    }
  }
  if (!FLAGS.test(from.enumName ?? '') || !FLAGS.test(to.enumName ?? '')) return undefined;
  return allOf(theirs) & allOf(ours);
}

function namesOf(constants: ReadonlyMap<string, bigint>, value: bigint): string[] {
  return [...constants].filter(([, other]) => other === value).map(([name]) => name);
}

function allOf(constants: ReadonlyMap<string, bigint>): bigint {
  return [...constants.values()].reduce((all, value) => all | value, 0n);
}

/** Runs that lie side by side on both sides are one. */
function merged(copies: readonly Copy[]): Copy[] {
  const runs: Copy[] = [];
  for (const copy of copies.toSorted((a, b) => a.to - b.to)) {
    const last = runs.at(-1);
    if (last && last.from + last.length === copy.from && last.to + last.length === copy.to) {
      last.length += copy.length;
    } else {
      runs.push({ ...copy });
    }
  }
  return runs;
}

function isEqual(a: Uint8Array, b: Uint8Array, field: BtfField): boolean {
  return readBits(a, 0, field) === readBits(b, 0, field);
}

function fitted(value: bigint, { bits, isSigned }: BtfField): bigint {
  return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** Bits are counted from the lowest one of the first byte on, as on every host that this runs on. */
function readBits(bytes: Uint8Array, at: number, field: BtfField): bigint {
  const { bitOffset, bits, isSigned } = field;
  const first = Math.floor(bitOffset / 8);
  const last = Math.floor((bitOffset + bits - 1) / 8);
  let value = 0n;
  for (let i = last; i >= first; i--) value = (value << 8n) | BigInt(bytes[at + i] as number);
  value >>= BigInt(bitOffset % 8);
  return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** Where all is zero. */
function writeBits(bytes: Uint8Array, at: number, { bitOffset, bits }: BtfField, value: bigint) {
  const first = Math.floor(bitOffset / 8);
  const last = Math.floor((bitOffset + bits - 1) / 8);
  let rest = BigInt.asUintN(bits, value) << BigInt(bitOffset % 8);
  for (let i = first; i <= last; i++, rest >>= 8n) {
    bytes[at + i] = (bytes[at + i] as number) | Number(rest & 0xffn);
  }
}
