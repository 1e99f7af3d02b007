// SPDX-License-Identifier: Apache-2.0
// The plan names files that there are, all of what it says it runs, and each suite is run once.

import { existsSync, globSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { ROOT } from '../../../scripts/command.ts';
import { findSource, KERNELS } from '../../../scripts/guest/kernels.ts';
import {
  filesOf,
  LEFT_OUT,
  PART,
  PART_KERNEL,
  PLAN,
  SHIFTS,
  SUITES,
  shiftsOf,
  subjectsOf,
  unmatched,
} from '../../vm/plan.ts';

test('every file of the plan is there, and is in it once', (t) => {
  const files = SUITES.flatMap((suite) => filesOf(suite, false));
  t.deepEqual(
    files.filter((file) => !existsSync(path.join(ROOT, file))),
    [],
  );
  t.is(new Set(files).size, files.length);
});

test('every file of test/prog is in the plan, or it is said why not', (t) => {
  const files = globSync('test/prog/*.test.ts', { cwd: ROOT });
  const planned = filesOf('packets', false);
  const reasons = LEFT_OUT.map(({ what }) => what).join('\n');
  const silent = files.filter(
    (file) => !planned.includes(file) && !reasons.includes(`\`${file.replace('.test.ts', '')}\``),
  );
  t.true(files.length > 0);
  t.deepEqual(silent, []);
});

test('every suite is in one shift, and has something to run', (t) => {
  t.deepEqual(SHIFTS.flat().sort(), [...SUITES].sort());
  for (const suite of SUITES) t.true(subjectsOf(suite, false).length > 0, suite);
});

test('what npm test runs is a part of it, with the oldest kernel', (t) => {
  for (const suite of SUITES) {
    const { files, inPart } = PLAN[suite];
    t.true(inPart.every((file) => files.includes(file)));
  }
  for (const suite of PART) t.true(subjectsOf(suite, true).length > 0, suite);
  t.is(findSource(PART_KERNEL), KERNELS[0]);
});

test('patterns of titles that no test has are found', (t) => {
  const titles = ['auto: by TCX', 'killed: SIGKILL, sockets', 'a (new) start'];
  t.deepEqual(unmatched(['auto:*', '*SIGKILL, sockets', 'a (new) start'], titles), []);
  t.deepEqual(unmatched(['auto', 'SIGKILL*', 'a new start'], titles), [
    'auto',
    'SIGKILL*',
    'a new start',
  ]);
  t.deepEqual(unmatched([], []), []);
});

test('shifts of a few suites are those that have some', (t) => {
  t.deepEqual(shiftsOf(['restart']), [['restart']]);
  t.deepEqual(shiftsOf(['restart', 'load']), [['load'], ['restart']]);
  t.deepEqual(shiftsOf([]), []);
});
