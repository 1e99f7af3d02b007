// SPDX-License-Identifier: Apache-2.0
// The few statistics behind every figure of the benchmarks.

import test from 'ava';
import { distribution, median } from './statistics.ts';

test('a distribution sorts by number and counts every value', (t) => {
  const values = [100, 9, 30, 7, 1000];
  t.deepEqual(distribution(values), {
    count: 5,
    min: 7,
    p50: 30,
    p90: 100 + 900 * (4 * 0.9 - 3),
    p99: 964,
    max: 1000,
  });
  t.deepEqual(values, [100, 9, 30, 7, 1000]);
});

test('the median of an even number of values is between the two in the middle', (t) => {
  t.is(median([4, 1, 3, 2]), 2.5);
});

test('one value is its own distribution', (t) => {
  t.deepEqual(distribution([5]), { count: 1, min: 5, p50: 5, p90: 5, p99: 5, max: 5 });
});

test('of nothing there is no median', (t) => {
  t.throws(() => median([]), { instanceOf: RangeError });
  t.throws(() => distribution([]), { instanceOf: RangeError });
});
