// SPDX-License-Identifier: Apache-2.0
// What is told of a call that the kernel refuses, and that what is told is so: the real maps, with refusals put before the
// kernel's own where it cannot be brought to them.

import { constants } from 'node:os';
import test, { type ExecutionContext } from 'ava';
import { u32 } from '../../../agent/sys/codec.ts';
import { KernelMap, type RefusedEntry } from '../../../agent/sys/kernel-map.ts';
import { interpose, type Libbpf } from '../../../agent/sys/libbpf/ffi.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { runCommand } from '../../lab/run-command.ts';

const { EPERM, EINVAL, EBADF, ENOMEM, ENOSPC, EINTR, EAGAIN, EBUSY } = constants.errno;

type Batch = 'mapUpdateBatch' | 'mapDeleteBatch';
type Call = (...args: unknown[]) => number;

/** What a batch meets in place of the kernel, call by call; then the kernel. The count is what it leaves of it. */
let refusals: { readonly errno: number; readonly done?: number }[] = [];
let calls = 0;

interpose((lib) => {
  const refusing =
    (name: Batch, countAt: number): Call =>
    (...args) => {
      calls++;
      const call = lib[name] as unknown as Call;
      const refusal = refusals.shift();
      if (!refusal) return call(...args);
      if (refusal.done !== undefined) {
        const count = args[countAt] as [number];
        if (refusal.done > 0) call(...args.with(countAt, [refusal.done]));
        count[0] = refusal.done;
      }
      return -refusal.errno;
    };
  return {
    ...lib,
    mapUpdateBatch: refusing('mapUpdateBatch', 3),
    mapDeleteBatch: refusing('mapDeleteBatch', 2),
    mapLookup: (...args) => refusedOnce() ?? lib.mapLookup(...args),
    mapUpdate: (...args) => refusedOnce() ?? lib.mapUpdate(...args),
    mapLookupBatch: (...args) => refusedOnce() ?? lib.mapLookupBatch(...args),
  } satisfies Libbpf;
});

function refusedOnce(): number | undefined {
  const refusal = refusals.shift();
  return refusal && -refusal.errno;
}

function open(t: ExecutionContext, ...entries: readonly (readonly [number, number])[]) {
  const HASH = 1;
  const NO_PREALLOC = 1;
  const sizes = { keySize: 4, valueSize: 4, maxEntries: 16 };
  const raw = RawMap.create('refused_batches', { type: HASH, flags: NO_PREALLOC, ...sizes });
  const map = new KernelMap(raw, { key: u32, value: u32 });
  t.teardown(() => {
    refusals = [];
    map.close();
  });
  t.deepEqual(map.put(entries), []);
  calls = 0;
  return map;
}

const sorted = (entries: readonly [number, number][]) => [...entries].sort(([a], [b]) => a - b);
const told = (refused: readonly RefusedEntry[]) =>
  refused.map(({ index, error }) => `${index} ${error.code}`);

test.serial('a map that is frozen refuses every entry, and every one is told', async (t) => {
  if (!requireRoot(t)) return;
  const map = open(t, [1, 1], [2, 2]);
  await runCommand(['bpftool', 'map', 'freeze', 'id', String(map.raw.id)]);
  t.deepEqual(
    told(
      map.put([
        [1, 9],
        [2, 9],
        [3, 9],
      ]),
    ),
    ['0 EPERM', '1 EPERM', '2 EPERM'],
  );
  t.deepEqual(told(map.delete([2, 1])), ['0 EPERM', '1 EPERM']);
  t.deepEqual(sorted(map.entries()), [
    [1, 1],
    [2, 2],
  ]);
});

for (const [name, errno] of Object.entries({ EPERM, EINVAL, EBADF, ENOMEM })) {
  test.serial(`${name} for a call, its count as it was: none of its entries is done`, (t) => {
    if (!requireRoot(t)) return;
    const map = open(t, [1, 1], [2, 2]);
    refusals = [{ errno }];
    t.deepEqual(
      told(
        map.put([
          [3, 3],
          [4, 4],
        ]),
      ),
      [`0 ${name}`, `1 ${name}`],
    );
    refusals = [{ errno }];
    t.deepEqual(told(map.delete([1, 2])), [`0 ${name}`, `1 ${name}`]);
    // Neither was tried again: what refuses a call refuses the next.
    t.is(calls, 2);
    t.is(map.entries().length, 2);
  });
}

test.serial('a call that is refused behind an entry that was: the rest is not done', (t) => {
  if (!requireRoot(t)) return;
  const map = open(t);
  refusals = [{ errno: ENOSPC, done: 1 }, { errno: EPERM }];
  t.deepEqual(
    told(
      map.put([
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 4],
      ]),
    ),
    ['1 ENOSPC', '2 EPERM', '3 EPERM'],
  );
  t.deepEqual(map.entries(), [[1, 1]]);
});

test.serial('entries refused one by one: the others are done', (t) => {
  if (!requireRoot(t)) return;
  const map = open(t);
  refusals = [
    { errno: ENOMEM, done: 0 },
    { errno: ENOMEM, done: 1 },
  ];
  t.deepEqual(
    told(
      map.put([
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 4],
      ]),
    ),
    ['0 ENOMEM', '2 ENOMEM'],
  );
  t.deepEqual(sorted(map.entries()), [
    [2, 2],
    [4, 4],
  ]);
});

for (const [name, errno] of Object.entries({ EINTR, EAGAIN, EBUSY })) {
  test.serial(`${name} is no refusal, as long as it does not stay`, (t) => {
    if (!requireRoot(t)) return;
    const map = open(t, [9, 9]);
    const put = () =>
      told(
        map.put([
          [1, 1],
          [2, 2],
          [3, 3],
        ]),
      );
    refusals = [{ errno }, { errno, done: 1 }, { errno, done: 1 }];
    t.deepEqual(put(), []);
    t.is(map.entries().length, 4);
    refusals = [{ errno }];
    t.deepEqual(told(map.delete([1, 7, 2])), []);
    refusals = [{ errno }];
    t.is(map.get(3), 3);
    refusals = [{ errno }, { errno }];
    t.is(map.entries().length, 2);
    refusals = Array(100).fill({ errno });
    t.deepEqual(put(), [`0 ${name}`, `1 ${name}`, `2 ${name}`]);
    t.throws(() => map.get(3), { message: new RegExp(name) });
    refusals = [];
    t.is(map.entries().length, 2);
  });
}
