// SPDX-License-Identifier: Apache-2.0
// What is no list of CPUs is told, and never counted.

import test from 'ava';
import { EnvironmentError } from '../../../agent/errors.ts';
import { cpuCount, cpusNamed } from '../../../agent/sys/cpus.ts';

for (const list of [
  '',
  '\n',
  'x',
  '0-',
  '-3',
  '3-1',
  '0,,1',
  '0-3;5',
  '0x3',
  '1e9',
  '0-99999999',
]) {
  test(`no list of CPUs: ${JSON.stringify(list)}`, (t) => {
    t.throws(() => cpuCount(list), { instanceOf: EnvironmentError });
    t.throws(() => cpusNamed(list), { instanceOf: EnvironmentError });
  });
}
