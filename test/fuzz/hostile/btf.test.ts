// SPDX-License-Identifier: Apache-2.0
// Types of a table that nobody compiled: whatever bytes the kernel were to give out for the BTF of another build, there is a
// layout whose fields lie within it, or a BtfError; and what two layouts have in common can be carried or cannot.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { BtfError } from '../../../agent/sys/btf.ts';
import { type BtfLayout, readLayout } from '../../../agent/sys/btf-layout.ts';
import { CannotCarry, RecordPlan } from '../../../agent/sys/carry-plan.ts';
import { BtfBytes } from '../../helpers/btf-bytes.ts';
import { Fuzzing } from './fuzz.ts';
import { mutatedBytes } from './mutate.ts';

/** What the linker puts before the types of an object: magic, version, flags, length of the header. */
const BTF_BEGINS = Buffer.from('9feb010018000000', 'hex');

function typesOfObject(name: string): Uint8Array {
  const object = readFileSync(path.join(import.meta.dirname, '../../../bpf/build', `${name}.o`));
  const at = object.indexOf(BTF_BEGINS);
  assert.ok(at >= 0, `${name}.o has no types`);
  const [names, length] = [object.readUInt32LE(at + 16), object.readUInt32LE(at + 20)];
  return new Uint8Array(object.subarray(at, at + BTF_BEGINS.length + 16 + names + length));
}

/** Some of everything. */
function oneOfEachKind(): { bytes: Uint8Array; type: number } {
  const btf = new BtfBytes();
  const [u8, s32] = [btf.int('unsigned char', 1), btf.int('int', 4, { isSigned: true })];
  const be16 = btf.renamed('typedef', '__be16', btf.int('unsigned short', 2));
  const both = btf.union('both', 4, [
    { name: 'all', type: s32, bitOffset: 0 },
    { name: 'each', type: btf.array(u8, 4), bitOffset: 0 },
  ]);
  const inner = btf.struct('inner', 8, [
    { name: 'low', type: s32, bitOffset: 0, bits: 3 },
    { name: 'high', type: s32, bitOffset: 3, bits: 29 },
    { name: 'port', type: btf.renamed('const', '', be16), bitOffset: 32 },
  ]);
  const type = btf.struct('outer', 56, [
    { name: 'inner', type: btf.array(inner, 2), bitOffset: 0 },
    { name: '', type: both, bitOffset: 128 },
    { name: 'some', type: btf.enum('some_flags', { A: 1, B: 2 }), bitOffset: 160 },
    { name: 'wide', type: btf.enum64('wide', { W: 1n << 40n }), bitOffset: 192 },
    { name: 'to', type: btf.pointer(0), bitOffset: 256 },
    { name: 'ratio', type: btf.float('float', 4), bitOffset: 320 },
    { name: 'level', type: btf.enum('level', { L: -1 }, { isSigned: true }), bitOffset: 352 },
  ]);
  return { bytes: btf.bytes(), type };
}

const every = oneOfEachKind();
const EVERY = readLayout(every.bytes, every.type);

function requireSound({ size, fields }: BtfLayout): void {
  const paths = new Set(fields.map(({ path: name }) => name));
  assert.equal(paths.size, fields.length);
  for (const { bitOffset, bits } of fields) assert.ok(bits > 0 && bitOffset + bits <= size * 8);
}

/** @returns whether it could be carried. */
function tryToCarry(from: BtfLayout, to: BtfLayout, isKey: boolean): boolean {
  try {
    const plan = new RecordPlan(from, to, isKey);
    const [record, carried] = [new Uint8Array(from.size).fill(0xa5), new Uint8Array(to.size + 1)];
    plan.apply(record, 0, carried, 0);
    assert.equal(carried[to.size], 0);
    return true;
  } catch (error) {
    if (!(error instanceof CannotCarry)) throw error;
    return false;
  }
}

const RUNS = 3000;

test('types that no compiler made', (t) => {
  const corpus = [typesOfObject('sock'), every.bytes, every.bytes, every.bytes];
  const outcomes = { read: 0, refused: 0, carried: 0 };
  new Fuzzing(t).run({
    what: 'BTF',
    input: fc.tuple(
      mutatedBytes(corpus),
      fc.oneof(fc.constant(every.type), fc.nat(60), fc.nat(2000)),
    ),
    runs: RUNS,
    check: ([bytes, type]) => {
      let layout: BtfLayout;
      try {
        layout = readLayout(bytes, type);
      } catch (error) {
        if (!(error instanceof BtfError)) throw error;
        outcomes.refused++;
        return;
      }
      outcomes.read++;
      requireSound(layout);
      for (const isKey of [true, false]) {
        if (tryToCarry(layout, EVERY, isKey)) outcomes.carried++;
        tryToCarry(EVERY, layout, isKey);
        tryToCarry(layout, layout, isKey);
      }
    },
  });
  t.log(outcomes);
  const isWhole = outcomes.read + outcomes.refused >= RUNS;
  t.true(!isWhole || (outcomes.read > 50 && outcomes.refused > 50 && outcomes.carried > 5));
});
