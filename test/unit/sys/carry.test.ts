// SPDX-License-Identifier: Apache-2.0
// Entries go from the tables of one build into those of another, in both directions (root): what can be carried, and what is
// told of what cannot.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { carryEntries, carryTables } from '../../../agent/sys/carry.ts';
import { carrySources, chooseSource, type PinnedTable } from '../../../agent/sys/carry-source.ts';
import { Programs, tableSetup } from '../../../agent/sys/datapath.ts';
import { KernelMap } from '../../../agent/sys/kernel-map.ts';
import { FlowFlags, MAPS } from '../../../agent/sys/layout.gen.ts';
import { interpose, libbpf } from '../../../agent/sys/libbpf/ffi.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { LoadedObject } from '../../../agent/sys/libbpf/object.ts';
import type { Pins } from '../../../agent/sys/pins.ts';
import { CLANG_FLAGS } from '../../../scripts/build.ts';
import { backend } from '../../helpers/objects.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireProgram, requireRoot } from '../../helpers/requirements.ts';

const ENOSPC = 28;

/** Batches that are shorter find a bucket that is longer. */
let longestBucket = 0;
let batches = 0;

interpose((lib) => ({
  ...lib,
  mapLookupBatch: (fd, from, next, keys, values, count, options) => {
    batches++;
    if (count[0] < longestBucket) return -ENOSPC;
    return lib.mapLookupBatch(fd, from, next, keys, values, count, options);
  },
}));

/** Tables as two builds might have them, and some that cannot be carried. */
const SOURCE = `// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

enum end_flags { END_OPEN = 1, END_CLOSED = 2 };

struct old_end { __be16 port; __u16 pad; };
struct old_key { struct old_end end; __u8 protocol; __u8 pad[3]; };
struct old_value { __u64 used_ns; struct old_end backend; __u32 id; enum end_flags flags; __u32 gone; };

struct new_end { __be16 port; };
struct new_key { __u32 protocol; struct new_end end; __u16 pad; };
struct new_value { __u16 id; struct new_end backend; enum end_flags flags; __u64 used_ns; __u32 begun; };

struct zoned_key { struct old_end end; __u8 protocol; __u8 zone; __u16 pad; };

#define TABLE(name, kind, key_type, value_type) \\
	struct { \\
		__uint(type, kind); \\
		__uint(max_entries, 512); \\
		__type(key, key_type); \\
		__type(value, value_type); \\
	} name SEC(".maps")

TABLE(older, BPF_MAP_TYPE_HASH, struct old_key, struct old_value);
TABLE(older_again, BPF_MAP_TYPE_HASH, struct old_key, struct old_value);
TABLE(older_lru, BPF_MAP_TYPE_LRU_HASH, struct old_key, struct old_value);
TABLE(newer, BPF_MAP_TYPE_HASH, struct new_key, struct new_value);
TABLE(newer_lru, BPF_MAP_TYPE_LRU_HASH, struct new_key, struct new_value);
TABLE(zoned, BPF_MAP_TYPE_HASH, struct zoned_key, struct old_value);
TABLE(counted, BPF_MAP_TYPE_PERCPU_HASH, struct old_key, struct old_value);
TABLE(listed, BPF_MAP_TYPE_ARRAY, __u32, struct old_value);

char _license[] SEC("license") = "GPL";
`;

const NAMES = [
  'older',
  'older_again',
  'older_lru',
  'newer',
  'newer_lru',
  'zoned',
  'counted',
  'listed',
] as const;
type Maps = Readonly<Record<(typeof NAMES)[number], RawMap>>;

let folder: string | undefined;

test.after.always(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

function compiled(): string {
  const isThere = folder !== undefined;
  folder ??= mkdtempSync(path.join(tmpdir(), 'signalbox-carry-'));
  const [source, object] = [path.join(folder, 'tables.c'), path.join(folder, 'tables.o')];
  if (isThere) return object;
  writeFileSync(source, SOURCE);
  execFileSync('clang', [...CLANG_FLAGS, '-c', source, '-o', object]);
  return object;
}

function canRun(t: ExecutionContext): boolean {
  return requireRoot(t) && requireProgram(t, 'clang');
}

/** @param entries how many fit into each. */
function openMaps(t: ExecutionContext, entries: number): Maps {
  const pinned = mkdtempSync('/sys/fs/bpf/signalbox-test-carry-');
  t.teardown(() => rmSync(pinned, { recursive: true }));
  const setup = NAMES.map((name): [string, { pin: string; maxEntries: number }] => [
    name,
    { pin: path.join(pinned, name), maxEntries: entries },
  ]);
  LoadedObject.load(compiled(), new Map(setup)).close();
  const maps = NAMES.map((name) => [name, RawMap.openPin(path.join(pinned, name))] as const);
  t.teardown(() => {
    for (const [, map] of maps) map.close();
  });
  return Object.fromEntries(maps) as Maps;
}

interface Entry {
  readonly port: number;
  readonly protocol: number;
  readonly id: number;
  readonly flags: number;
  readonly usedNs: bigint;
}

/** What is in `old_value.gone`, which the newer build has not. */
const GONE = 0x60;

function oldBytes({ port, protocol, id, flags, usedNs }: Entry) {
  const [key, value] = [Buffer.alloc(8), Buffer.alloc(24)];
  key.writeUInt16BE(port, 0);
  key.writeUInt8(protocol, 4);
  value.writeBigUInt64LE(usedNs, 0);
  value.writeUInt16BE(port + 1, 8);
  value.writeUInt32LE(id, 12);
  value.writeUInt32LE(flags, 16);
  value.writeUInt32LE(GONE, 20);
  return { key, value };
}

function newBytes({ port, protocol, id, flags, usedNs }: Entry, begun = 0) {
  const [key, value] = [Buffer.alloc(8), Buffer.alloc(24)];
  key.writeUInt32LE(protocol, 0);
  key.writeUInt16BE(port, 4);
  value.writeUInt16LE(id, 0);
  value.writeUInt16BE(port + 1, 2);
  value.writeUInt32LE(flags, 4);
  value.writeBigUInt64LE(usedNs, 8);
  value.writeUInt32LE(begun, 16);
  return { key, value };
}

function contents(map: RawMap): string[] {
  const lines: string[] = [];
  for (const { keys, values, count } of map.batches(1000)) {
    for (let i = 0; i < count; i++) {
      const key = keys.subarray(i * map.keySize, (i + 1) * map.keySize);
      const value = values.subarray(i * map.valueSize, (i + 1) * map.valueSize);
      lines.push(shown({ key, value }));
    }
  }
  return lines.sort();
}

function shown({ key, value }: { key: Uint8Array; value: Uint8Array }): string {
  return `${Buffer.from(key).toString('hex')} ${Buffer.from(value).toString('hex')}`;
}

const entryOf = (i: number): Entry => ({
  port: i,
  protocol: i % 2 ? 6 : 17,
  id: 1000 + i,
  flags: i % 4,
  usedNs: 2n ** 60n + BigInt(i),
});
const ENTRIES = Array.from({ length: 300 }, (_, i) => entryOf(i));
const REPLACING = { onlyNew: false };

function put(map: RawMap, entries: readonly { key: Uint8Array; value: Uint8Array }[]): void {
  for (const { key, value } of entries) map.update(key, value);
}

for (const [from, to] of [
  ['older', 'newer'],
  ['older_lru', 'newer_lru'],
] as const) {
  test.serial(`${from} is carried into ${to}, and back`, (t) => {
    if (!canRun(t)) return;
    const maps = openMaps(t, 2048);
    // What no flag has a name for is nobody's here.
    put(
      maps[from],
      ENTRIES.map((e) => oldBytes({ ...e, flags: e.flags + 0xffff0000 })),
    );
    const all = { carried: ENTRIES.length, kept: 0, leftOut: 0 };
    t.deepEqual(carryEntries(maps[from], maps[to], REPLACING), all);
    t.deepEqual(contents(maps[to]), ENTRIES.map((e) => shown(newBytes(e))).sort());
    t.deepEqual(carryEntries(maps[from], maps[to], REPLACING), all);
    t.is(contents(maps[to]).length, ENTRIES.length);
    t.deepEqual(carryEntries(maps[to], maps.older_again, REPLACING), all);
    const withoutGone = ENTRIES.map(oldBytes).map(({ key, value }) => {
      value.writeUInt32LE(0, 20);
      return shown({ key, value });
    });
    t.deepEqual(contents(maps.older_again), withoutGone.sort());
  });
}

test.serial('what the newer table has stays when only new entries are carried', (t) => {
  if (!canRun(t)) return;
  for (const name of ['newer', 'newer_lru'] as const) {
    const maps = openMaps(t, 2048);
    put(maps.older, ENTRIES.map(oldBytes));
    const there = newBytes({ ...entryOf(7), id: 1 }, 5);
    put(maps[name], [there]);
    const result = carryEntries(maps.older, maps[name], { onlyNew: true });
    t.deepEqual(result, { carried: ENTRIES.length - 1, kept: 1, leftOut: 0 });
    const others = ENTRIES.filter(({ port }) => port !== 7).map((e) => newBytes(e));
    t.deepEqual(contents(maps[name]), [there, ...others].map(shown).sort());
  }
});

test.serial('what was carried, and is used since where it came from, is carried again', (t) => {
  if (!canRun(t)) return;
  const maps = openMaps(t, 2048);
  const [opening, closed] = [entryOf(1), entryOf(2)];
  put(maps.older, [opening, closed].map(oldBytes));
  t.like(carryEntries(maps.older, maps.newer, REPLACING), { carried: 2 });
  const used = (entry: Entry, flags: number) => ({ ...entry, flags, usedNs: entry.usedNs + 5n });
  put(maps.older, [oldBytes(used(opening, 2))]);
  put(maps.newer, [newBytes(used(closed, 1))]);
  const again = carryEntries(maps.older, maps.newer, { onlyNew: true });
  t.deepEqual(again, { carried: 1, kept: 1, leftOut: 0 });
  const expected = [used(opening, 2 | opening.flags), used(closed, 1)].map((e) => newBytes(e));
  t.deepEqual(contents(maps.newer), expected.map(shown).sort());
});

test.serial('entries that do not fit are left out, and told', (t) => {
  if (!canRun(t)) return;
  const maps = openMaps(t, 2048);
  put(maps.older, [oldBytes({ ...entryOf(1), id: 70_000 }), oldBytes(entryOf(2))]);
  t.deepEqual(carryEntries(maps.older, maps.newer, REPLACING), {
    carried: 1,
    kept: 0,
    leftOut: 1,
    problem: 'the value of field id does not fit',
  });
  t.deepEqual(contents(maps.newer), [shown(newBytes(entryOf(2)))]);
  put(maps.newer, [newBytes({ ...entryOf(3), protocol: 300 })]);
  t.like(carryEntries(maps.newer, maps.older, REPLACING), {
    carried: 1,
    leftOut: 1,
    problem: 'the value of field protocol does not fit',
  });
});

test.serial('a table that is too small takes what it has room for', (t) => {
  if (!canRun(t)) return;
  const [maps, small] = [openMaps(t, 2048), openMaps(t, 100)];
  put(maps.older, ENTRIES.map(oldBytes));
  for (const onlyNew of [false, true]) {
    const { carried, kept, leftOut, problem } = carryEntries(maps.older, small.newer, { onlyNew });
    t.deepEqual([carried + kept, leftOut], [100, 200]);
    t.regex(problem ?? '', /\(100 entries at most\): E2BIG/);
  }
  t.is(contents(small.newer).length, 100);
});

test.serial('a bucket that is longer than a batch is read by longer batches', (t) => {
  if (!canRun(t)) return;
  const [maps, small] = [openMaps(t, 20_000), openMaps(t, 2048)];
  put(maps.older, ENTRIES.map(oldBytes));
  t.teardown(() => {
    longestBucket = 0;
  });
  longestBucket = 10_000;
  t.like(carryEntries(maps.older, maps.newer, REPLACING), { carried: 300 });
  // Longer than the table they are never.
  batches = 0;
  t.regex(carryEntries(small.older, small.newer, REPLACING).problem ?? '', /read map .*ENOSPC/);
  t.true(batches < 20);
});

test.serial('tables that cannot be carried', (t) => {
  if (!canRun(t)) return;
  const maps = openMaps(t, 2048);
  put(maps.older, ENTRIES.map(oldBytes));
  const { type, flags, key, value } = MAPS.members;
  const sizes = { keySize: key.size, valueSize: value.size, maxEntries: 1 };
  const untyped = RawMap.create('untyped', { type, flags, ...sizes });
  t.teardown(() => untyped.close());
  const problem = (from: RawMap, to: RawMap) => {
    const { problem, ...counts } = carryEntries(from, to, REPLACING);
    t.deepEqual(counts, { carried: 0, kept: 0, leftOut: 0 });
    return problem ?? '';
  };
  t.is(problem(maps.older, maps.zoned), 'key field zone is not known there');
  t.is(problem(maps.zoned, maps.older), 'key field zone is not known here');
  t.regex(problem(maps.older, maps.counted), /counted is a table of type 5$/);
  t.regex(problem(maps.listed, maps.older), /listed is a table of type 2$/);
  t.is(problem(untyped, maps.older), 'the kernel has no types of untyped');
  t.is(problem(maps.older, untyped), 'the kernel has no types of untyped');
  t.deepEqual(contents(maps.zoned), []);
});

const FLOWS = 65_536;
/** The backend has answered; and the flow's place in `flow_queue`. */
const ANSWERED = FlowFlags.ANSWERED;
const PLACE = 77 << 16;

test.serial('65,536 flows', (t) => {
  if (!requireRoot(t)) return;
  const [from, to] = [openRealTables(t), openRealTables(t)].map(({ pins }) => {
    const flows = RawMap.openPin(pins.map(MAPS.flows));
    t.teardown(() => flows.close());
    return flows;
  }) as [RawMap, RawMap];
  const { key, value } = MAPS.flows;
  const [keys, values] = [Buffer.alloc(FLOWS * key.size), Buffer.alloc(FLOWS * value.size)];
  const [keyView, valueView] = [new DataView(keys.buffer), new DataView(values.buffer)];
  const ends = { source: backend('10.0.0.1:1'), destination: backend('192.0.2.1:80') };
  for (let i = 0; i < FLOWS; i++) {
    const source = { ...ends.source, port: i };
    key.write(keyView, i * key.size, { ...ends, source, protocol: 6 });
    const flow = { lastUsedNs: 1n, checkedNs: 2n, servicePortId: i, flags: ANSWERED | PLACE };
    value.write(valueView, i * value.size, { ...ends, ...flow });
  }
  t.is(from.updateBatch(keys, values, FLOWS), undefined);
  for (const onlyNew of [false, true]) {
    const [begun, used] = [performance.now(), process.cpuUsage()];
    const { carried, kept, leftOut } = carryEntries(from, to, { onlyNew });
    const { user, system } = process.cpuUsage(used);
    const [ms, cpuMs] = [performance.now() - begun, (user + system) / 1000].map(Math.round);
    t.log(`${onlyNew ? 'only new ones' : 'all'}: ${ms} ms, ${cpuMs} of them on a CPU`);
    t.deepEqual([carried, kept, leftOut], onlyNew ? [0, FLOWS, 0] : [FLOWS, 0, 0]);
  }
  const ids = new Set<number>();
  to.forEach((foundKeys, keyAt, foundValues, valueAt) => {
    const [flowKey, flow] = [key.read(foundKeys, keyAt), value.read(foundValues, valueAt)];
    ids.add(flow.servicePortId);
    if (flow.flags !== ANSWERED || flowKey.source.port !== flow.servicePortId) {
      t.fail(JSON.stringify([flowKey.source.port, flow.servicePortId, flow.flags]));
    }
  });
  t.is(ids.size, FLOWS);
});

/** Another build's table: it keeps its programs' map under another name. */
function ofAnotherBuild(pins: Pins, table: (typeof CARRIED)[number]): string {
  const own = pins.map(table);
  const pin = own.replace(table.layoutHash, '0a0a0a0a');
  renameSync(own, pin);
  return pin;
}

const CARRIED = [MAPS.servicePorts, MAPS.affinities, MAPS.udpBackends] as const;

test.serial('carried is what the programs at work go by', (t) => {
  if (!requireRoot(t)) return;
  const { pins, servicePorts } = openRealTables(t);
  const linked = LoadedObject.load(sockObject(), tableSetup(pins));
  t.teardown(() => linked.close());
  const programs = [linked.programId('connect4'), linked.programId('sendmsg4'), 2 ** 31 - 1];
  const { affinities } = MAPS;
  t.deepEqual(carrySources(pins, programs, new Set()), []);

  servicePorts.put([[9, { namespaceName: 'a', serviceName: 'b', portName: '', protocol: 6 }]]);
  const key = { netnsCookie: 3n, source: backend('10.0.0.1:1').address, servicePortId: 9 };
  const client = { lastUsedNs: 4n, backend: backend('10.0.0.2:2') };
  const tableAt = (pin: string) => {
    const map = new KernelMap(RawMap.openPin(pin), affinities);
    t.teardown(() => map.close());
    return map;
  };
  tableAt(pins.map(affinities)).put([[key, client]]);

  const others = CARRIED.map((table) => ({
    table: table.name,
    pin: ofAnotherBuild(pins, table),
    isOwnInUse: false,
  }));
  Programs.load(pins).close();
  const made = new Set(others.map(({ table }) => table));
  const sources = carrySources(pins, programs, made);
  t.deepEqual(sources, others);
  // Ended before it had attached: the next start has made nothing anew.
  t.deepEqual(carrySources(pins, programs, new Set()), others);
  // Without the ids of the service ports whatever holds them is left.
  rmSync((others[0] as { pin: string }).pin);
  t.deepEqual(carrySources(pins, programs, made), []);
  t.deepEqual(
    carryTables(pins, sources.slice(0, 1), REPLACING).map(({ problem }) => problem?.split(':')[0]),
    [`cannot open pinned map ${others[0]?.pin}`],
  );
  const withoutIds = carryTables(pins, sources, REPLACING).find(
    ({ table }) => table === affinities.name,
  );
  t.regex(withoutIds?.problem ?? '', /^the ids of its service ports are not carried: cannot open/);
  t.deepEqual(tableAt(pins.map(affinities)).entries(), []);

  t.is(libbpf().objectPin(servicePorts.raw.fd, (others[0] as { pin: string }).pin), 0);
  const own = openPorts(t, pins);
  own.put([[9, { namespaceName: 'own', serviceName: 'b', portName: '', protocol: 6 }]]);
  const all = carryTables(pins, sources, REPLACING);
  t.deepEqual(
    all.map(({ table, carried, kept, leftOut, problem }) => [
      table,
      carried,
      kept,
      leftOut,
      problem,
    ]),
    [
      ['service_ports', 0, 1, 0, undefined],
      ['affinities', 1, 0, 0, undefined],
      ['udp_backends', 0, 0, 0, undefined],
    ],
  );
  t.is(own.get(9)?.namespaceName, 'own');
  t.deepEqual(tableAt(pins.map(affinities)).entries(), [[key, client]]);
  t.deepEqual(
    carryTables(pins, sources, { ...REPLACING, tables: ['affinities'] }).map(({ table }) => table),
    ['affinities'],
  );

  // Half attached: what the new programs wrote stays.
  const newer = LoadedObject.load(sockObject(), tableSetup(pins));
  t.teardown(() => newer.close());
  const both = [...programs, newer.programId('connect4')];
  t.deepEqual(
    carrySources(pins, both, new Set()).map(({ table, isOwnInUse }) => [table, isOwnInUse]),
    [
      ['affinities', true],
      ['udp_backends', true],
    ],
  );
  t.deepEqual(carrySources(pins, [newer.programId('connect4')], new Set()), []);
});

function openPorts(t: ExecutionContext, pins: Pins) {
  const map = new KernelMap(RawMap.openPin(pins.map(MAPS.servicePorts)), MAPS.servicePorts);
  t.teardown(() => map.close());
  return map;
}

function sockObject(): string {
  return path.join(import.meta.dirname, '../../../bpf/build/sock.o');
}

test('which of several tables', (t) => {
  const table = (pin: string, mapId: number, btfId: number): PinnedTable => ({
    pin,
    mapId,
    btfId,
    isOwn: pin === 'own',
  });
  const [older, old, own] = [table('older', 10, 1), table('old', 20, 2), table('own', 30, 3)];
  const all = [old, own, older];
  const uses = (btfId: number, ...mapIds: number[]) => ({ btfId, mapIds: new Set(mapIds) });
  const nothing = uses(0);
  const choices: [readonly PinnedTable[], ReturnType<typeof uses>, boolean, string | undefined][] =
    [
      // Programs say which.
      [all, uses(2, 20, 5), true, 'old'],
      [all, uses(2, 10, 5), true, 'older'],
      [all, uses(3, 10, 20, 30), false, 'old'],
      [all, uses(3, 30), false, undefined],
      // They do not.
      [all, uses(2, 5), true, 'old'],
      [all, uses(1, 5), true, 'older'],
      [all, uses(2, 5), false, 'old'],
      [all, uses(3, 5), false, undefined],
      // A roll-back that was ended, of an upgrade that was.
      [[{ ...own, mapId: 5, btfId: 1 }, older, old], uses(3, 7), false, undefined],
      [[{ ...own, mapId: 25, btfId: 4 }, older, old], uses(3, 7), false, 'old'],
      // Or are without types, or none is at work.
      [all, uses(0, 5), true, 'old'],
      [all, nothing, true, 'old'],
      [all, nothing, false, undefined],
      [[old, older], nothing, true, 'old'],
      [[own], nothing, true, undefined],
      [[], nothing, true, undefined],
    ];
  for (const [tables, linked, isMade, expected] of choices) {
    t.is(
      chooseSource(tables, linked, isMade),
      expected,
      JSON.stringify({ tables, isMade, expected }),
    );
  }
});
