// SPDX-License-Identifier: Apache-2.0
// How many tokens there are, and when.

import test from 'ava';
import { TokenBucket } from '../../../agent/cluster/token-bucket.ts';

/** How many can be taken at once. */
function drain(bucket: TokenBucket, now: number): number {
  let taken = 0;
  while (bucket.take(now)) taken += 1;
  return taken;
}

test('full at first, whatever the clock says; then one token per refill, in parts too', (t) => {
  const bucket = new TokenBucket({ burst: 3, refillMs: 100 });
  t.is(drain(bucket, 5_000), 3);
  t.is(drain(bucket, 5_099), 0);
  t.is(drain(bucket, 5_100), 1);
  t.is(drain(bucket, 5_350), 2);
  t.is(drain(bucket, 5_400), 1);
});

test('never holds more than the burst', (t) => {
  const bucket = new TokenBucket({ burst: 3, refillMs: 100 });
  t.true(bucket.take(0));
  t.is(drain(bucket, 1_000_000), 3);
});
