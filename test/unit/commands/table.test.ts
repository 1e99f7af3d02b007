// SPDX-License-Identifier: Apache-2.0
// Columns for people.

import test from 'ava';
import { formatTable, tableLines } from '../../../agent/commands/table.ts';

test('columns are as wide as they must, lines have no trailing space, and nothing is coloured', (t) => {
  const rows = [
    ['default', 'quote', '10.96.0.1:80'],
    ['kube-system', '-', '[fd00::1]:53'],
  ];
  t.is(
    formatTable(['NAMESPACE', 'NAME', 'FRONTEND'], rows),
    [
      'NAMESPACE     NAME    FRONTEND',
      'default       quote   10.96.0.1:80',
      'kube-system   -       [fd00::1]:53',
    ].join('\n'),
  );
});

test('without rows there are the heads', (t) => {
  t.is(formatTable(['NAME', 'PORT'], []), 'NAME   PORT');
});

test('an empty cell keeps the columns', (t) => {
  t.is(formatTable(['A', 'B', 'C'], [['x', '', 'z']]), 'A   B   C\nx       z');
});

test('line by line, a table is the same', (t) => {
  const heads = ['NAMESPACE', 'NAME', 'FRONTEND'];
  const rows = [
    ['default', 'quote', '10.96.0.1:80'],
    ['kube-system', '', '[fd00::1]:53'],
    ['default', 'a-name-that-is-longer', ''],
  ];
  t.deepEqual([...tableLines(heads, () => rows)], formatTable(heads, rows).split('\n'));
  t.deepEqual([...tableLines(heads, () => [])], [formatTable(heads, [])]);
});

test('a cell may hold any text', (t) => {
  const rows = [['a\u001b[31m\nb', 'c']];
  const table = formatTable(['A', 'B'], rows);
  t.is(table, 'A                B\na\\x1b[31m\\x0ab   c');
  t.is([...tableLines(['A', 'B'], () => rows)].join('\n'), table);
});

test('a table may be long', (t) => {
  const rows = Array.from({ length: 130_000 }, () => [] as string[]);
  t.notThrows(() => formatTable([], rows));
});
