// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { UsageError } from '../../../../agent/errors.ts';
import { readOptions } from '../../../../scripts/guest/options.ts';

test('what follows the command is its own', (t) => {
  const { command, kernel, list, help } = readOptions(['ls', '--kernel', '-h', '--', '--list']);
  t.deepEqual(command, ['ls', '--kernel', '-h', '--', '--list']);
  t.deepEqual([kernel, list, help], ['6.1', false, false]);
});

test('options come before it', (t) => {
  const words =
    '--kernel 6.12 --memory=512 --cpus 2 --timeout 9 --out /x --accel kvm sh -c true'.split(' ');
  t.deepEqual(readOptions(words), {
    help: false,
    list: false,
    kernel: '6.12',
    memoryMb: 512,
    cpus: 2,
    timeoutS: 9,
    out: '/x',
    accelerator: 'kvm',
    command: ['sh', '-c', 'true'],
  });
});

test('two dashes end the options', (t) => {
  t.deepEqual(readOptions(['--kernel', '6.12', '--', '-odd', 'a']).command, ['-odd', 'a']);
});

test('help and the list need no command', (t) => {
  t.true(readOptions(['--help']).help);
  t.true(readOptions(['--list']).list);
});

for (const words of [
  [],
  ['--'],
  ['--kernel', '6.1'],
  ['--kernel'],
  ['--unknown', 'true'],
  ['--list', 'true'],
  ['--cpus', '0', 'true'],
  ['--memory', '1G', 'true'],
  ['--timeout=', 'true'],
]) {
  test(`wrong use: ${words.join(' ') || '(nothing)'}`, (t) => {
    t.throws(() => readOptions(words), { instanceOf: UsageError });
  });
}
