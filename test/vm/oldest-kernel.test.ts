// SPDX-License-Identifier: Apache-2.0
// The oldest kernel that Signalbox is for, in one guest: it takes every program, and a part of the tests of packets and
// sockets passes there. `npm run test:kernels` runs all of them, with newer kernels too.

import test from 'ava';
import { fetchKernel } from '../../scripts/guest/fetch-kernel.ts';
import { requireGuest } from '../helpers/requirements.ts';
import { commandFor } from './command-for.ts';
import { runShift, type ShiftResult } from './guest-run.ts';
import { PART, PART_KERNEL, PLAN, subjectsOf } from './plan.ts';
import { sumsOf } from './result.ts';
import { summary } from './tables.ts';

/** Two minutes are enough, with the download of the kernel; a busy machine has only a part of a processor for it. */
const TIMEOUT_S = 1200;

let guest: Promise<ShiftResult> | undefined;

/** Booted once, for all tests. */
function inGuest(): Promise<ShiftResult> {
  guest ??= fetchKernel(PART_KERNEL).then((kernel) =>
    runShift({ kernel, suites: PART, isPart: true, timeoutS: TIMEOUT_S }),
  );
  return guest;
}

for (const suite of PART) {
  test.serial(`Linux ${PART_KERNEL}: ${PLAN[suite].title}`, async (t) => {
    if (!requireGuest(t)) return;
    t.timeout(TIMEOUT_S * 1000);
    const { files, reports, trouble } = await inGuest();
    const results = files.filter((file) => file.suite === suite);
    t.log(summary(sumsOf(results)));
    const failed = results.filter((file) => file.failed.length > 0);
    const again = failed.map((file) => commandFor(PART_KERNEL, file));
    const told = failed.length > 0 ? [...reports, ...again] : [];
    t.is([...told, ...(trouble === undefined ? [] : [trouble])].join('\n\n'), '');
    t.deepEqual(
      results.map(({ file }) => file),
      subjectsOf(suite, true),
    );
    t.true(results.every(({ passed }) => passed > 0));
  });
}
