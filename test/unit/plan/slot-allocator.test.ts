// SPDX-License-Identifier: Apache-2.0
// Free slots: handed out once, found again, counted.

import test from 'ava';
import fc from 'fast-check';
import { SlotAllocator } from '../../../agent/plan/slot-allocator.ts';
import type { SlotRun } from '../../../agent/sys/layout.gen.ts';

const run = (first: number, count: number): SlotRun => ({ first, count });

test('a run of no slots takes none', (t) => {
  const slots = new SlotAllocator(0);
  t.deepEqual(slots.allocate(0), run(0, 0));
  t.is(slots.used, 0);
});

test('when no run is left, growing makes one', (t) => {
  const slots = new SlotAllocator(4);
  t.deepEqual(slots.allocate(3), run(0, 3));
  t.is(slots.allocate(2), undefined);
  slots.grow(5);
  t.deepEqual(slots.allocate(2), run(3, 2));
  t.is(slots.used, 5);
  slots.grow(1);
  t.is(slots.capacity, 5);
});

test('a growth that is taken back leaves what was free before', (t) => {
  const slots = new SlotAllocator(6, [run(0, 1)]);
  const [a, b] = [slots.allocate(2), slots.allocate(2)];
  slots.grow(12);
  const beyond = slots.allocate(4) as SlotRun;
  t.deepEqual([a, b, beyond], [run(1, 2), run(3, 2), run(5, 4)]);
  slots.free(b as SlotRun);
  slots.free(beyond);
  slots.shrink(6);
  t.is(slots.capacity, 6);
  t.is(slots.used, 3);
  t.is(slots.allocate(4), undefined);
  t.deepEqual(slots.allocate(3), run(3, 3));
  t.is(slots.allocate(1), undefined);
});

test('freed runs are used again, whole, in part, and joined', (t) => {
  const slots = new SlotAllocator(6);
  const [a, b, c] = [2, 2, 2].map((count) => slots.allocate(count) as SlotRun);
  slots.free(b as SlotRun);
  t.deepEqual(slots.allocate(1), run(2, 1));
  t.deepEqual(slots.allocate(1), run(3, 1));
  t.is(slots.allocate(1), undefined);
  slots.free(a as SlotRun);
  slots.free(run(2, 1));
  slots.free(c as SlotRun);
  t.is(slots.used, 1);
  t.deepEqual(slots.allocate(3), run(0, 3));
  t.deepEqual(slots.allocate(2), run(4, 2));
  t.is(slots.used, 6);
});

const starts = test.macro({
  exec(t, used: SlotRun[], count: number) {
    const slots = new SlotAllocator(10, used);
    t.is(slots.used, count);
    const free = Array.from({ length: 10 - count }, () => slots.allocate(1)?.first as number);
    const taken = used.flatMap(({ first, count }) =>
      Array.from({ length: count }, (_, i) => first + i),
    );
    t.deepEqual(
      [...new Set([...free, ...taken])].sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    t.is(slots.allocate(1), undefined);
  },
  title: (_, used: SlotRun[]) =>
    `starts with ${used.map(({ first, count }) => `${first}+${count}`)} in use`,
});
test(starts, [], 0);
test(starts, [run(3, 2)], 2);
test(starts, [run(0, 0), run(3, 2), run(3, 2), run(4, 3), run(8, 1)], 5);
test(starts, [run(1, 6), run(2, 1), run(7, 3)], 9);

test('whatever is allocated and freed: no slot is twice in use, none is lost', (t) => {
  const actions = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ allocate: fc.nat(9) }) },
      { weight: 2, arbitrary: fc.record({ free: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ grow: fc.nat(40) }) },
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(actions, (all) => {
      const slots = new SlotAllocator(16);
      const live: SlotRun[] = [];
      const inUse = new Set<number>();
      const slotsOf = ({ first, count }: SlotRun) =>
        Array.from({ length: count }, (_, i) => first + i);
      for (const action of all) {
        if ('grow' in action) slots.grow(action.grow);
        else if ('free' in action) {
          const [freed] = live.splice(action.free % (live.length || 1), 1);
          if (!freed) continue;
          slots.free(freed);
          for (const slot of slotsOf(freed)) inUse.delete(slot);
        } else {
          const got = slots.allocate(action.allocate);
          if (!got) {
            t.is(longestFree(inUse, slots.capacity) < action.allocate, true);
            continue;
          }
          t.is(got.count, action.allocate);
          t.true(got.first + got.count <= slots.capacity);
          for (const slot of slotsOf(got)) {
            t.false(inUse.has(slot));
            inUse.add(slot);
          }
          live.push(got);
        }
        t.is(slots.used, inUse.size);
      }
    }),
  );
});

function longestFree(inUse: ReadonlySet<number>, capacity: number): number {
  let longest = 0;
  let length = 0;
  for (let slot = 0; slot < capacity; slot++) {
    length = inUse.has(slot) ? 0 : length + 1;
    longest = Math.max(longest, length);
  }
  return longest;
}
