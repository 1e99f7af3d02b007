// SPDX-License-Identifier: Apache-2.0
// Columns for people.

import test from 'ava';
import { formatTable, printable, tableLines } from '../../../agent/commands/table.ts';

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

test('nothing that a terminal acts upon is printed', (t) => {
  t.is(printable('default/quote:http'), 'default/quote:http');
  t.is(printable('a\u001b[31m\nb\u009bc\u007f'), 'a\\x1b[31m\\x0ab\\x9bc\\x7f');
});
