// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { createBackoff } from '../../../agent/cluster/backoff.ts';

test('doubles from 0.2 s to 30 s, and starts again after a success', (t) => {
  const backoff = createBackoff(() => 1);
  const waits = Array.from({ length: 10 }, () => backoff.next());
  t.deepEqual(waits, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
  backoff.reset();
  t.is(backoff.next(), 200);
});

test('chance takes at most half of a wait', (t) => {
  t.is(createBackoff(() => 0).next(), 100);
});
