// SPDX-License-Identifier: Apache-2.0
// From C to TypeScript: what is generated of a small object writes and reads what it should, and its hash
// changes with the layout.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Codec, MapSpec } from '../../../../agent/sys/codec.ts';
import { CLANG_FLAGS } from '../../../../scripts/build.ts';
import { Btf } from '../../../../scripts/layout/btf.ts';
import { emitLayout } from '../../../../scripts/layout/emit.ts';
import { requireProgram } from '../../../helpers/requirements.ts';

const AGENT = path.join(import.meta.dirname, '../../../../agent');

const STRUCTS = `
enum colour_kind { COLOUR_RED = 3, COLOUR_DARK_BLUE = 5 };
struct inner_part { __u16 small; __be16 port; };
struct thing_key { __u64 wide; __u8 tiny; __u8 pad; struct inner_part part; __u32 number; };
struct thing_value { char text[8]; enum colour_kind colour; };
`;

/** Of another object, which shares a struct and a map with the first. */
const OTHER_OBJECT = `
struct told_thing { __u32 count; __u8 opaque[3]; __u8 pad; struct inner_part part; };
struct told_thing told_thing SEC("records");
`;

function source(structs: string): string {
  return `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
${structs}
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1000);
	__type(key, struct thing_key);
	__type(value, struct thing_value);
} many_things SEC(".maps");

struct slot_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 7);
	__type(key, __u32);
	__type(value, struct thing_value);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct slot_map);
} outer SEC(".maps");
`;
}

/** @param objects what each begins with. */
function emit(
  t: ExecutionContext,
  ...objects: readonly string[]
): { text: string; folder: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-emit-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const btfs = objects.map((structs, i) => {
    const object = path.join(folder, `small-${i}.o`);
    writeFileSync(`${object}.c`, source(structs));
    execFileSync('clang', [...CLANG_FLAGS, '-c', `${object}.c`, '-o', object]);
    return Btf.ofObject(object);
  });
  return { text: emitLayout(...btfs), folder };
}

/** The generated file, as a module. */
async function load<T>({ text, folder }: { text: string; folder: string }): Promise<T> {
  const file = path.join(folder, 'layout.gen.ts');
  writeFileSync(
    file,
    text.replace('../model/', `${AGENT}/model/`).replace('./codec.ts', `${AGENT}/sys/codec.ts`),
  );
  return (await import(file)) as T;
}

type Generated = {
  readonly MAPS: Readonly<Record<string, MapSpec<unknown, unknown>>> & {
    readonly outer: { readonly inner: MapSpec<unknown, unknown> };
  };
  readonly ColourKind: Readonly<Record<string, number>>;
};

test('generated codecs write and read, generated maps say what they are', async (t) => {
  if (!requireProgram(t, 'clang') || !requireProgram(t, 'bpftool')) return;
  const { MAPS, ColourKind } = await load<Generated>(emit(t, STRUCTS));
  t.deepEqual(ColourKind, { RED: 3, DARK_BLUE: 5 });

  const things = MAPS.manyThings as MapSpec<unknown, unknown>;
  const { key, value, layoutHash, ...rest } = things;
  t.deepEqual(rest, { name: 'many_things', type: 1, flags: 1, maxEntries: 1000 });
  t.regex(layoutHash, /^[0-9a-f]{8}$/);

  const thing = {
    wide: 0x0102030405060708n,
    tiny: 9,
    part: { small: 0x0a0b, port: 0x0c0d },
    number: 0x0e0f1011,
  };
  t.is(
    hexOf(key, thing),
    '0807060504030201' + '09' + '00' + '0b0a' + '0c0d' + '0000' + '11100f0e' + '00000000',
  );
  t.deepEqual(readBack(key, thing), thing);
  const what = { text: 'quote', colour: 5 };
  t.is(hexOf(value, what), '71756f7465000000' + '05000000');
  t.deepEqual(readBack(value, what), what);

  const { inner } = MAPS.outer;
  t.deepEqual([inner.name, inner.type, inner.maxEntries, inner.value], ['slot_map', 2, 7, value]);
});

test('of several objects each thing comes once, and records too', async (t) => {
  if (!requireProgram(t, 'clang') || !requireProgram(t, 'bpftool')) return;
  const emitted = emit(t, STRUCTS, STRUCTS + OTHER_OBJECT);
  t.is(emitted.text.match(/^export interface InnerPart /gm)?.length, 1);
  t.is(emitted.text.match(/name: 'many_things'/g)?.length, 1);
  const { toldThing } = await load<{ toldThing: Codec<unknown> }>(emitted);
  const told = {
    count: 0x01020304,
    opaque: Uint8Array.of(5, 6, 7),
    part: { small: 0x0a0b, port: 0x0c0d },
  };
  t.is(hexOf(toldThing, told), '04030201' + '050607' + '00' + '0b0a' + '0c0d');
  t.deepEqual(readBack(toldThing, told), told);
});

const REFERRING = `
struct reference { __u32 many_thing_id; };
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10);
	__type(key, struct reference);
	__type(value, __u32);
} references SEC(".maps");
`;

test('a map of ids changes its name with the map that gives them out', async (t) => {
  if (!requireProgram(t, 'clang') || !requireProgram(t, 'bpftool')) return;
  const structs = STRUCTS + REFERRING;
  const hashes = async (text: string) => {
    const { MAPS } = await load<Generated>(emit(t, text));
    return [MAPS.references?.layoutHash, MAPS.outer.inner.layoutHash];
  };
  const [before, unrelated] = await hashes(structs.replace('char text[8]', 'char text[8] '));
  const [after, alsoInner] = await hashes(structs.replace('__u8 tiny', '__u16 tiny'));
  t.not(after, before);
  t.is(alsoInner, unrelated);
});

test('objects must mean the same by a name', (t) => {
  if (!requireProgram(t, 'clang') || !requireProgram(t, 'bpftool')) return;
  t.throws(() => emit(t, STRUCTS, STRUCTS.replace('__u16 small', '__u16 large')), {
    message: 'there are two kinds of inner_part',
  });
  t.throws(() => emit(t, STRUCTS, STRUCTS.replace('__u64 wide', '__u32 wide')), {
    message: 'there are two kinds of thing_key',
  });
});

const changes = test.macro({
  exec(t, from: string, to: string, isAnother: boolean) {
    if (!requireProgram(t, 'clang') || !requireProgram(t, 'bpftool')) return;
    const [before, after] = [STRUCTS, STRUCTS.replace(from, to)].map((structs) => {
      return emit(t, structs).text.match(/name: 'many_things'.*?layoutHash: '(\w+)'/)?.[1];
    });
    t.true(STRUCTS.includes(from));
    t.truthy(before);
    t.is(before !== after, isAnother);
  },
  title: (_, from, to) => `the layout is another when '${from}' becomes '${to}'`,
});
test(changes, '__u32 number', '__u32 count', true);
test(changes, '__u16 small; __be16 port', '__be16 port; __u16 small', true);
test(changes, '__be16 port', '__u16 port', true);
test(changes, 'text[8]', 'text[9]', true);
test(
  'the layout is the same when a constant is added',
  changes,
  'COLOUR_RED = 3',
  'COLOUR_RED = 3, COLOUR_GREEN = 4',
  false,
);

function hexOf(codec: MapSpec<unknown, unknown>['key'], value: unknown): string {
  const bytes = Buffer.alloc(codec.size);
  codec.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, value);
  return bytes.toString('hex');
}

function readBack(codec: MapSpec<unknown, unknown>['key'], value: unknown): unknown {
  const bytes = Buffer.from(`ffff${hexOf(codec, value)}`, 'hex');
  return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 2);
}
