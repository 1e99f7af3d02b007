// SPDX-License-Identifier: Apache-2.0
// Sweeps come when they are asked for, and once more behind that; never one upon the other.

import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Sweeps } from '../../../agent/reconcile/sweeps.ts';
import { until } from '../../lab/until.ts';

test('a request sweeps at once and once more, and then no more', async (t) => {
  let count = 0;
  const sweeps = new Sweeps(() => count++);
  t.teardown(() => sweeps.stop());
  t.is(count, 0);
  sweeps.request();
  await until('the sweep', () => count === 1);
  await until('the one behind it', () => count === 2);
  await sleep(700);
  t.is(count, 2);
});

test('many requests are few sweeps, and the last request is answered', async (t) => {
  let count = 0;
  let wanted = 0;
  let answered = 0;
  const sweeps = new Sweeps(() => {
    count++;
    answered = wanted;
  });
  t.teardown(() => sweeps.stop());
  for (; wanted < 40; await sleep(5)) {
    wanted++;
    sweeps.request();
  }
  await until('the last request is answered', () => answered === wanted);
  t.true(count < wanted / 4, `${count} sweeps`);
});

test('nothing is swept after the end', async (t) => {
  const sweeps = new Sweeps(() => t.fail());
  sweeps.request();
  sweeps.stop();
  sweeps.request();
  await sleep(50);
  t.pass();
});
