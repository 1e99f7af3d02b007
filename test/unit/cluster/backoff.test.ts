// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { createBackoff, relistDelay } from '../../../agent/cluster/backoff.ts';

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

test('new lists of all nodes are spread over the more time the more objects there are, up to half a minute', (t) => {
  t.is(
    relistDelay(0, () => 0),
    0,
  );
  t.is(
    relistDelay(0, () => 1),
    2_000,
  );
  t.is(
    relistDelay(10_000, () => 1),
    10_000,
  );
  t.is(
    relistDelay(1e6, () => 0.5),
    15_000,
  );
});
