// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { tailOf } from '../../../../scripts/guest/console.ts';

const many = (word: string) => Array.from({ length: 100 }, (_, at) => `${word} ${at}`);

test('a panic is shown from shortly before its first line', (t) => {
  const text = [...many('before'), 'Kernel panic - not syncing: x', ...many('after')].join('\r\n');
  const lines = tailOf(text).split('\n');
  t.deepEqual(lines.slice(4, 7), ['before 99', 'Kernel panic - not syncing: x', 'after 0']);
  t.is(lines.length, 40);
});

test('without one, the last lines are shown', (t) => {
  t.deepEqual(
    tailOf(`${many('line').join('\n')}\n`)
      .split('\n')
      .slice(-2),
    ['line 98', 'line 99'],
  );
  t.is(tailOf('one\n'), 'one');
  t.is(tailOf(''), '');
});
