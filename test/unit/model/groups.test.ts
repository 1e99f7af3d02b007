// SPDX-License-Identifier: Apache-2.0
// Groups against a plain map of maps, through the size at which a group changes its form, both ways.

import test from 'ava';
import fc from 'fast-check';
import { Groups } from '../../../agent/model/groups.ts';

interface Entry {
  readonly key: number;
  readonly value: number;
}

const COMMAND = fc.record({
  group: fc.integer({ min: 0, max: 2 }),
  key: fc.integer({ min: 0, max: 12 }),
  value: fc.option(fc.nat(), { nil: undefined }),
});

test('whatever is put and deleted, groups hold what a map of maps does, in its order', (t) => {
  fc.assert(
    fc.property(fc.array(COMMAND, { maxLength: 200 }), (commands) => {
      const groups = new Groups<number, number, Entry>(({ key }) => key);
      const expected = new Map<number, Map<number, Entry>>();
      for (const { group, key, value } of commands) {
        const entries = expected.get(group) ?? new Map<number, Entry>();
        if (value === undefined) {
          groups.delete(group, key);
          entries.delete(key);
        } else {
          groups.put(group, { key, value });
          entries.set(key, { key, value });
        }
        if (entries.size) expected.set(group, entries);
        else expected.delete(group);
        t.deepEqual([...groups.of(group)], [...(expected.get(group)?.values() ?? [])]);
      }
      t.deepEqual([...groups.keys()].sort(), [...expected.keys()].sort());
      t.is(
        groups.size,
        [...expected.values()].reduce((sum, { size }) => sum + size, 0),
      );
    }),
    { numRuns: 50 },
  );
});

test('a group may change while somebody goes over what was in it', (t) => {
  for (const count of [3, 20]) {
    const groups = new Groups<string, number, number>((value) => value);
    for (let i = 0; i < count; i++) groups.put('a', i);
    for (const value of groups.of('a')) groups.delete('a', value);
    t.is(groups.size, 0);
  }
});
