// SPDX-License-Identifier: Apache-2.0
// From one layout to another and back: what both have stays what it is, and nothing gets another meaning.

import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { readLayout } from '../../../agent/sys/btf-layout.ts';
import { CannotCarry, RecordPlan } from '../../../agent/sys/carry-plan.ts';
import { BtfBytes, type BtfMember } from '../../helpers/btf-bytes.ts';

/** One field of a struct: an integer, or an array of them. */
interface Field {
  readonly name: string;
  readonly size: 1 | 2 | 4 | 8;
  readonly isSigned: boolean;
  readonly isNetwork: boolean;
  /** undefined: no array. */
  readonly count: number | undefined;
  /** Unused bytes before it. */
  readonly gap: number;
}

const field = (name: string, size: Field['size'], more: Partial<Field> = {}): Field => ({
  name,
  size,
  isSigned: false,
  isNetwork: false,
  count: undefined,
  gap: 0,
  ...more,
});

function layoutOf(fields: readonly Field[]) {
  const btf = new BtfBytes();
  let at = 0;
  const members: BtfMember[] = [];
  for (const { name, size, isSigned, isNetwork, count, gap } of fields) {
    const int = btf.int('int', size, { isSigned });
    const type = isNetwork ? btf.renamed('typedef', `__be${size * 8}`, int) : int;
    const isArray = count !== undefined;
    members.push({
      name,
      type: isArray ? btf.array(type, count) : type,
      bitOffset: (at + gap) * 8,
    });
    at += gap + size * (count ?? 1);
  }
  const struct = btf.struct('record', at, members);
  return readLayout(btf.bytes(), struct);
}

type Layout = ReturnType<typeof layoutOf>;

function read(bytes: Uint8Array, layout: Layout): Map<string, bigint> {
  const values = layout.fields.map(({ path, bitOffset, bits, isSigned }): [string, bigint] => {
    const hex = Buffer.from(bytes.subarray(bitOffset / 8, (bitOffset + bits) / 8)).reverse();
    const value = BigInt(`0x${hex.toString('hex')}`);
    return [path, isSigned ? BigInt.asIntN(bits, value) : value];
  });
  return new Map(values);
}

/** @returns undefined with the path that does not fit. */
function carried(from: Layout, to: Layout, record: Uint8Array, isKey = false) {
  const bytes = new Uint8Array(to.size);
  const misfit = new RecordPlan(from, to, isKey).apply(record, 0, bytes, 0);
  return { bytes, misfit };
}

const SIZES = [1, 2, 4, 8] as const;
const integer = (name: string) =>
  fc.record({
    name: fc.constant(name),
    size: fc.constantFrom(...SIZES),
    isSigned: fc.boolean(),
    isNetwork: fc.constant(false),
    count: fc.constant(undefined),
    gap: fc.nat(3),
  });
const network = (name: string, size: Field['size']) =>
  fc.nat(3).map((gap) => field(name, size, { isNetwork: true, gap }));
const array = (name: string) =>
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(...SIZES), fc.nat(3))
    .map(([count, size, gap]) => field(name, size, { count, gap }));

/** Of a pool of fields some, in any order; what a name stands for is of one kind, as it is from build to build. */
const structs: fc.Arbitrary<Field[]> = fc
  .tuple(
    integer('always'),
    fc.subarray(['a', 'b', 'c', 'net16', 'net32', 'list'], { minLength: 0 }),
  )
  .chain(([always, names]) =>
    fc
      .tuple(
        ...names.map((name) => {
          if (name === 'net16') return network(name, 2);
          if (name === 'net32') return network(name, 4);
          return name === 'list' ? array(name) : integer(name);
        }),
      )
      .chain((fields) =>
        fc.shuffledSubarray([always, ...fields], { minLength: fields.length + 1 }),
      ),
  );

/** Small numbers are as likely as bytes of all kinds. */
const records = fc.tuple(
  fc.uint8Array({ minLength: 160, maxLength: 160 }),
  fc.constantFrom(0, 0, 1, 3),
);

test('from A to B and back: what both have is the same, all else is zero', (t) => {
  const outcomes = { carried: 0, leftOut: 0 };
  fc.assert(
    fc.property(structs, structs, records, (a, b, [random, sparse]) => {
      const [from, to] = [layoutOf(a), layoutOf(b)];
      const record = random.slice(0, from.size);
      if (sparse > 0) for (let i = 0; i < record.length; i++) if (i % 4 >= sparse) record[i] = 0;
      const before = read(record, from);
      const there = carried(from, to, record);
      if (there.misfit !== undefined) {
        outcomes.leftOut++;
        const value = before.get(there.misfit) as bigint;
        const target = to.fields.find(({ path }) => path === there.misfit);
        if (!target) assert.notEqual(value, 0n);
        else if (target.isSigned) assert.notEqual(BigInt.asIntN(target.bits, value), value);
        else assert.notEqual(BigInt.asUintN(target.bits, value), value);
        return;
      }
      outcomes.carried++;
      const after = read(there.bytes, to);
      for (const [path, value] of after) assert.equal(value, before.get(path) ?? 0n, path);
      const back = carried(to, from, there.bytes);
      assert.equal(back.misfit, undefined);
      for (const [path, value] of read(back.bytes, from)) {
        assert.equal(value, after.has(path) ? before.get(path) : 0n, path);
      }
    }),
    { numRuns: 600 },
  );
  t.log(outcomes);
  t.true(outcomes.carried > 100 && outcomes.leftOut > 100);
});

test('the same layout is the same bytes', (t) => {
  fc.assert(
    fc.property(structs, records, (fields, [random]) => {
      const layout = layoutOf(fields.map((each) => ({ ...each, gap: 0 })));
      const record = random.slice(0, layout.size);
      assert.deepEqual(carried(layout, layout, record), { bytes: record, misfit: undefined });
      assert.deepEqual(carried(layout, layout, record, true), { bytes: record, misfit: undefined });
    }),
    { numRuns: 200 },
  );
  t.pass();
});

function refused(from: Layout, to: Layout, isKey: boolean): string {
  try {
    new RecordPlan(from, to, isKey);
    return '';
  } catch (error) {
    assert.ok(error instanceof CannotCarry);
    return error.message;
  }
}

test('a key has every field on both sides, but for padding', (t) => {
  const [id, port] = [field('id', 4), field('port', 2, { isNetwork: true })];
  const [pad, zone] = [field('pad', 2), field('zone', 2)];
  t.is(refused(layoutOf([id, port]), layoutOf([port, pad, id]), true), '');
  t.is(refused(layoutOf([id, pad]), layoutOf([id]), true), '');
  t.is(refused(layoutOf([id]), layoutOf([id, zone]), true), 'key field zone is not known there');
  t.is(refused(layoutOf([id, zone]), layoutOf([id]), true), 'key field zone is not known here');
  t.is(refused(layoutOf([id]), layoutOf([id, zone]), false), '');
  t.is(
    refused(layoutOf([zone]), layoutOf([id]), false),
    'no field of the value is known on both sides',
  );
});

test('what is of another kind is not carried', (t) => {
  const port = (size: 2 | 4, isNetwork: boolean) => layoutOf([field('port', size, { isNetwork })]);
  t.is(
    refused(port(2, true), port(2, false), false),
    'value field port is of another kind (network there, integer here)',
  );
  t.is(
    refused(port(2, true), port(4, true), false),
    'value field port has 16 bits there and 32 here',
  );
  const union = (name: string) => {
    const btf = new BtfBytes();
    const int = btf.int('int', 4);
    const type = btf.union('', 4, [{ name, type: int, bitOffset: 0 }]);
    const struct = btf.struct('s', 4, [{ name: 'either', type, bitOffset: 0 }]);
    return readLayout(btf.bytes(), struct);
  };
  t.is(refused(union('a'), union('a'), false), '');
  t.regex(refused(union('a'), union('b'), false), /^value field either is of another kind/);
});

test('of an array that is shorter only what is zero is dropped', (t) => {
  const [four, two] = [field('n', 1, { count: 4 }), field('n', 1, { count: 2 })].map((f) =>
    layoutOf([f]),
  ) as [Layout, Layout];
  t.deepEqual(carried(four, two, Uint8Array.of(1, 2, 0, 0)).bytes, Uint8Array.of(1, 2));
  t.is(carried(four, two, Uint8Array.of(1, 2, 0, 4)).misfit, 'n[3]');
  t.deepEqual(carried(two, four, Uint8Array.of(1, 2)).bytes, Uint8Array.of(1, 2, 0, 0));
});

test('bit fields', (t) => {
  const bits = (first: number, second: number) => {
    const btf = new BtfBytes();
    const int = btf.int('unsigned int', 4);
    const struct = btf.struct('s', 4, [
      { name: 'first', type: int, bitOffset: 0, bits: first },
      { name: 'second', type: int, bitOffset: first, bits: second },
    ]);
    return readLayout(btf.bytes(), struct);
  };
  const [small, large] = [bits(3, 5), bits(12, 20)];
  const record = Uint8Array.of(0b10110_101, 0, 0, 0);
  const there = carried(small, large, record);
  t.is(new DataView(there.bytes.buffer).getUint32(0, true), (0b10110 << 12) | 0b101);
  t.deepEqual(carried(large, small, there.bytes).bytes, record);
  t.is(carried(large, small, Uint8Array.of(8, 0, 0, 0)).misfit, 'first');
});

/** A value of one enum. */
function flags(enumName: string, constants: Readonly<Record<string, number>>): Layout {
  const btf = new BtfBytes();
  const type = btf.enum(enumName, constants);
  const struct = btf.struct('s', 4, [{ name: 'flags', type, bitOffset: 0 }]);
  return readLayout(btf.bytes(), struct);
}

test('of flags only those are carried that have a name on both sides', (t) => {
  const older = flags('flow_flags', { FLOW_A: 1, FLOW_B: 4 });
  const newer = flags('flow_flags', { FLOW_A: 1, FLOW_B: 4, FLOW_C: 8 });
  const all = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
  for (const [from, to, kept] of [
    [older, newer, 5],
    [newer, older, 5],
    [newer, newer, 13],
  ] as const) {
    t.deepEqual(carried(from, to, all).bytes, Uint8Array.of(kept, 0, 0, 0));
  }
  const kinds = [flags('kind', { ONE: 1 }), flags('kind', { ONE: 1, TWO: 2 })] as const;
  t.deepEqual(
    carried(kinds[1], kinds[0], Uint8Array.of(2, 0, 0, 0)).bytes,
    Uint8Array.of(2, 0, 0, 0),
  );
});

test('a constant that means something else is not carried', (t) => {
  const from = flags('flow_flags', { A: 1, B: 2, ALSO_B: 2 });
  t.is(refused(from, flags('flow_flags', { A: 1, ALSO_B: 2, C: 4 }), false), '');
  t.is(
    refused(from, flags('flow_flags', { A: 4 }), false),
    'value field flags: A is 1 there and 4 here',
  );
  t.is(
    refused(from, flags('flow_flags', { A: 1, OTHER: 2 }), false),
    'value field flags: 2 is B there and OTHER here',
  );
});

test('of the same thing what was later is told, and flags stay', (t) => {
  const btf = new BtfBytes();
  const u64 = btf.int('unsigned long long', 8);
  const u32 = btf.int('unsigned int', 4);
  const struct = btf.struct('s', 16, [
    { name: 'last_used_ns', type: u64, bitOffset: 0 },
    { name: 'id', type: u32, bitOffset: 64 },
    { name: 'flags', type: btf.enum('s_flags', { A: 1, B: 2, C: 4 }), bitOffset: 96 },
  ]);
  const layout = readLayout(btf.bytes(), struct);
  const plan = new RecordPlan(layout, layout, false);
  const bytes = (usedNs: bigint, id: number, flags: number) => {
    const view = new DataView(new ArrayBuffer(16));
    view.setBigUint64(0, usedNs, true);
    view.setUint32(8, id, true);
    view.setUint32(12, flags, true);
    return new Uint8Array(view.buffer);
  };
  const later = bytes(9n, 7, 3);
  t.true(plan.takesOver(later, bytes(8n, 7, 4 + (1 << 16))));
  t.deepEqual(later, bytes(9n, 7, 7));
  for (const there of [bytes(9n, 7, 4), bytes(10n, 7, 4), bytes(8n, 8, 4)]) {
    const record = bytes(9n, 7, 3);
    t.false(plan.takesOver(record, there));
    t.deepEqual(record, bytes(9n, 7, 3));
  }
  const timeless = layoutOf([field('id', 4)]);
  const same = new RecordPlan(timeless, timeless, false);
  t.false(same.takesOver(Uint8Array.of(1, 0, 0, 0), Uint8Array.of(1, 0, 0, 0)));
});
