// SPDX-License-Identifier: Apache-2.0
// What --table-size takes, what it says to the rest, and what is advised where a table has become too small.

import test from 'ava';
import {
  largerSize,
  nearlyFullText,
  parseTableSize,
  roomFor,
  SIZED_TABLES,
} from '../../../agent/model/table-sizes.ts';
import { MAPS } from '../../../agent/sys/layout.gen.ts';

test('every table whose size can be chosen is one of the datapath, and may have the size that it has', (t) => {
  const specs = new Map<string, number>(
    Object.values(MAPS).map(({ name, maxEntries }) => [name, maxEntries]),
  );
  for (const name of SIZED_TABLES) {
    t.deepEqual(parseTableSize(`${name}=${specs.get(name)}`), [name, specs.get(name)]);
  }
});

const wrong = test.macro({
  exec(t, word: string, said: RegExp) {
    const size = parseTableSize(word);
    t.regex('invalid' in size ? size.invalid : 'taken', said);
  },
  title: (_, word) => `${word || 'nothing'} is refused`,
});
test(wrong, '', /must be a table and its entries, as members=262144/);
test(wrong, 'members', /must be a table and its entries/);
test(wrong, '=5', /must be a table and its entries/);
test(wrong, 'members=', /must be a number from 16 to 4194304/);
test(wrong, 'members=many', /must be a number from 16 to 4194304/);
test(wrong, 'members=-1', /must be a number/);
test(wrong, 'members=1e6', /must be a number/);
test(wrong, 'members=15', /must be a number from 16/);
test(wrong, 'members=4194305', /must be a number from 16 to 4194304/);
test(wrong, 'affinities=16', /must be a number from 1024 to 1048576/);
test(wrong, 'service-ports=5000', /service_ports is meant\?/);
test(wrong, 'slots=5000', /one of frontends, members, service_ports/);
test(wrong, 'toString=5000', /there is no table toString/);

test('the size that is advised is a power of two, twice what is there or more, and never too much', (t) => {
  t.is(largerSize('members', 65_536), 131_072);
  t.is(largerSize('members', 100), 256);
  t.is(largerSize('members', 3_000_000), 4_194_304);
  t.is(largerSize('members', 4_194_304), undefined);
  t.is(roomFor('frontends', 131_072), '--table-size frontends=262144 of the agent makes room');
  t.regex(roomFor('frontends', 4_194_304), /remove Services/);
});

test('four fifths is nearly full, but for what grows by itself', (t) => {
  const text = (table: string, entries: number) =>
    nearlyFullText({ table, entries, capacity: 100 });
  t.is(text('members', 79), undefined);
  t.is(
    text('members', 80),
    'members 80 of 100 entries: --table-size members=256 of the agent makes room',
  );
  t.is(text('slots', 100), undefined);
});
