// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import test from 'ava';
import fc from 'fast-check';
import { assignments, quote } from '../../../../scripts/guest/quote.ts';

const arguments_ = fc.array(
  fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0')),
  {
    minLength: 1,
  },
);

test('a shell gets every word as it is', (t) => {
  const property = fc.property(arguments_, (words) => {
    const said = execFileSync('sh', ['-c', `printf '%s\\0' ${words.map(quote).join(' ')}`]);
    t.is(said.toString(), words.map((word) => `${word}\0`).join(''));
  });
  t.notThrows(() => fc.assert(property, { numRuns: 50 }));
});

test('variables are set to what they are, and exported when that is asked for', (t) => {
  const value = `it's "$HOME"\n`;
  const see = (script: string) =>
    execFileSync('sh', ['-c', `${script}sh -c 'printf %s "$A_1"'`]).toString();
  t.is(see(assignments({ A_1: value }, { exported: true })), value);
  t.is(see(assignments({ A_1: value })), '');
});

test('what cannot be the name of a variable is none', (t) => {
  for (const name of ['', '1A', 'A-B', 'A;reboot'])
    t.throws(() => assignments({ [name]: '' }), { message: /cannot be a variable's name/ });
});
