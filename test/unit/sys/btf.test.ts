// SPDX-License-Identifier: Apache-2.0
// What is read of types: flat fields with their places, and nothing of what is no type.

import test from 'ava';
import { BtfError } from '../../../agent/sys/btf.ts';
import { readLayout } from '../../../agent/sys/btf-layout.ts';
import { MAPS } from '../../../agent/sys/layout.gen.ts';
import { readBtf, readMapTypes } from '../../../agent/sys/libbpf/btf-info.ts';
import { BtfBytes } from '../../helpers/btf-bytes.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

function shown(bytes: Uint8Array, type: number): string[] {
  return readLayout(bytes, type).fields.map(({ path, kind, bitOffset, bits, isSigned }) =>
    [path, kind, bitOffset, bits, ...(isSigned ? ['signed'] : [])].join(' '),
  );
}

test('structs in structs and arrays are flat', (t) => {
  const btf = new BtfBytes();
  const u16 = btf.int('unsigned short', 2);
  const u32 = btf.int('unsigned int', 4);
  const be16 = btf.renamed('typedef', '__be16', btf.renamed('typedef', '__u16', u16));
  const be32 = btf.renamed('typedef', '__be32', u32);
  const address = btf.struct('ip_address', 8, [
    { name: 'words', type: btf.array(be32, 2), bitOffset: 0 },
  ]);
  const point = btf.struct('ip_port', 12, [
    { name: 'address', type: btf.renamed('const', '', address), bitOffset: 0 },
    { name: 'port', type: be16, bitOffset: 64 },
    { name: 'pad', type: u16, bitOffset: 80 },
  ]);
  const both = btf.struct('both', 28, [
    { name: 'ends', type: btf.array(point, 2), bitOffset: 0 },
    { name: 'id', type: btf.renamed('volatile', '', u32), bitOffset: 192 },
  ]);
  t.deepEqual(shown(btf.bytes(), both), [
    'ends[0].address.words[0] network 0 32',
    'ends[0].address.words[1] network 32 32',
    'ends[0].port network 64 16',
    'ends[0].pad integer 80 16',
    'ends[1].address.words[0] network 96 32',
    'ends[1].address.words[1] network 128 32',
    'ends[1].port network 160 16',
    'ends[1].pad integer 176 16',
    'id integer 192 32',
  ]);
  t.is(readLayout(btf.bytes(), both).size, 28);
  t.deepEqual(shown(btf.bytes(), u32), [' integer 0 32']);
});

test('signs, bit fields, enums, pointers and floats', (t) => {
  const btf = new BtfBytes();
  const s64 = btf.int('long', 8, { isSigned: true });
  const u32 = btf.int('unsigned int', 4);
  const flags = btf.enum('some_flags', { ONE: 1, LAST: 0x80000000 });
  const level = btf.enum('level', { LOW: -1, HIGH: 1 }, { isSigned: true });
  const large = btf.enum64('large', { ALL: (1n << 64n) - 1n });
  const old = btf.int('old bits', 4, { bits: 3, bitOffset: 2 });
  const struct = btf.struct('all', 56, [
    { name: 'when', type: s64, bitOffset: 0 },
    { name: 'first', type: u32, bitOffset: 64, bits: 5 },
    { name: 'second', type: u32, bitOffset: 69, bits: 27 },
    { name: 'flags', type: flags, bitOffset: 96 },
    { name: 'level', type: level, bitOffset: 128 },
    { name: 'old', type: old, bitOffset: 160 },
    { name: 'large', type: large, bitOffset: 192 },
    { name: 'link', type: btf.pointer(0), bitOffset: 256 },
    { name: 'ratio', type: btf.float('double', 8), bitOffset: 320 },
    { name: 'none', type: btf.array(u32, 0), bitOffset: 384 },
  ]);
  t.deepEqual(shown(btf.bytes(), struct), [
    'when integer 0 64 signed',
    'first integer 64 5',
    'second integer 69 27',
    'flags integer 96 32',
    'level integer 128 32 signed',
    'old integer 162 3',
    'large integer 192 64',
    'link pointer 256 64',
    'ratio float 320 64',
  ]);
  const constants = (path: string) => {
    const field = readLayout(btf.bytes(), struct).fields.find((f) => f.path === path);
    return [field?.enumName, Object.fromEntries(field?.constants ?? [])];
  };
  t.deepEqual(constants('flags'), ['some_flags', { ONE: 1n, LAST: 0x80000000n }]);
  t.deepEqual(constants('level'), ['level', { LOW: -1n, HIGH: 1n }]);
  t.deepEqual(constants('large'), ['large', { ALL: (1n << 64n) - 1n }]);
  t.is(constants('when')[0], undefined);
});

test('what has no name is no part of a path; a union is one field', (t) => {
  const btf = new BtfBytes();
  const [u8, u32] = [btf.int('unsigned char', 1), btf.int('unsigned int', 4)];
  const members = [
    { name: 'word', type: u32, bitOffset: 0 },
    { name: 'bytes', type: btf.array(u8, 4), bitOffset: 0 },
  ];
  const inner = btf.struct('', 8, [
    { name: 'a', type: u32, bitOffset: 0 },
    { name: 'b', type: u32, bitOffset: 32 },
  ]);
  const outer = btf.struct('outer', 16, [
    { name: '', type: inner, bitOffset: 0 },
    { name: '', type: btf.union('', 4, members), bitOffset: 64 },
    { name: 'named', type: btf.union('', 4, members), bitOffset: 96 },
  ]);
  t.deepEqual(shown(btf.bytes(), outer), [
    'a integer 0 32',
    'b integer 32 32',
    '(word|bytes) union 64 32',
    'named union 96 32',
  ]);
  const [, , unnamed, named] = readLayout(btf.bytes(), outer).fields;
  t.is(unnamed?.shape, named?.shape);
  t.regex(named?.shape ?? '', /^word integer 0 32.*bytes\[3\] integer 24 8/);
});

test('a type that refers to itself, is endless, or is none', (t) => {
  const btf = new BtfBytes();
  const u32 = btf.int('unsigned int', 4);
  const refused = (type: number, message: RegExp) => {
    t.throws(() => readLayout(btf.bytes(), type), { instanceOf: BtfError, message });
  };
  const member = (type: number, bitOffset = 0) => ({ name: 'm', type, bitOffset });
  refused(btf.renamed('typedef', 'again', u32 + 1), /too many names/);
  refused(btf.struct('itself', 4, [member(u32 + 2)]), /nested too deeply/);
  refused(btf.array(u32 + 3, 2), /nested too deeply/);
  refused(btf.struct('far', 4, [member(u32, 8)]), /lies outside of 4 bytes/);
  refused(btf.struct('twice', 8, [member(u32), member(u32, 32)]), /comes twice/);
  refused(btf.array(u32, 1 << 30), /has 4294967296 bytes/);
  const empty = btf.struct('empty', 0, []);
  refused(btf.array(empty, 0xffffffff), /too large/);
  refused(btf.struct('odd', 4, [member(btf.forward('unknown'))]), /no size/);
  refused(0, /no type 0/);
  refused(12345, /no type 12345/);
  let doubled = btf.struct('one', 1, [{ name: 'x', type: u32, bitOffset: 0 }]);
  for (let i = 0; i < 30; i++) {
    doubled = btf.struct('two', 1, [
      { name: 'l', type: doubled, bitOffset: 0 },
      { name: 'r', type: doubled, bitOffset: 0 },
    ]);
  }
  refused(doubled, /too large/);
});

test('bytes that are no BTF', (t) => {
  const btf = new BtfBytes();
  const u32 = btf.int('unsigned int', 4);
  const struct = btf.struct('s', 4, [{ name: 'member', type: u32, bitOffset: 0 }]);
  const good = btf.bytes();
  const refused = (change: (bytes: Buffer) => Uint8Array | undefined, message: RegExp) => {
    const bytes = Buffer.from(good);
    const changed = new Uint8Array(change(bytes) ?? bytes);
    t.throws(() => readLayout(changed, struct), { instanceOf: BtfError, message });
  };
  refused(() => new Uint8Array(0), /BTF of 0 bytes/);
  refused((bytes) => bytes.subarray(0, bytes.length - 1), /a section ends/);
  refused((bytes) => void bytes.writeUInt16BE(0xeb9f, 0), /no BTF: magic 9feb/);
  refused((bytes) => void bytes.writeUInt8(2, 2), /version 2/);
  refused((bytes) => void bytes.writeUInt32LE(0, 4), /a section ends/);
  refused((bytes) => void bytes.writeUInt32LE(0xffffffff, 12), /a section ends/);
  refused((bytes) => void bytes.writeUInt32LE(4, 12), /it ends at 28, within a type/);
  refused((bytes) => void bytes.writeUInt8(31, 24 + 7), /types of kind 31/);
  refused((bytes) => void bytes.writeUInt32LE(1 << 20, 24 + 16 + 12), /no name at 1048576/);
  refused((bytes) => void bytes.writeUInt8(0x1b, bytes.indexOf('member')), /printed characters/);
  refused((bytes) => void bytes.fill(0x78, bytes.indexOf('member')), /no name/);
});

test('of every table the kernel tells what the codecs say', (t) => {
  if (!requireRoot(t)) return;
  const { frontends, members, servicePorts, devices } = openRealTables(t);
  const tables = { frontends, members, servicePorts, devices };
  for (const [name, { raw }] of Object.entries(tables)) {
    const { key, value } = MAPS[name as keyof typeof tables];
    const types = readMapTypes(raw);
    const bytes = readBtf(types.btfId);
    t.is(readLayout(bytes, types.keyTypeId).size, key.size);
    t.is(readLayout(bytes, types.valueTypeId).size, value.size);
  }
});
