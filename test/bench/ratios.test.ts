// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { percentiles, ratioOfRounds } from './ratios.ts';

test('a ratio is of all rounds together, its limits are of each round by itself', (t) => {
  const direct = [
    [10, 10, 10],
    [20, 20, 20],
  ];
  const service = [
    [15, 15, 99],
    [20, 20, 20],
  ];
  t.deepEqual(ratioOfRounds(service, direct), { ofMedians: 20 / 15, min: 1, max: 1.5 });
  t.deepEqual(ratioOfRounds(direct, direct), { ofMedians: 1, min: 1, max: 1 });
});

test('percentiles begin with the least and end with the greatest', (t) => {
  const values = percentiles([3, 1, 2]);
  t.is(values.length, 101);
  t.deepEqual([values[0], values[25], values[50], values[75], values[100]], [1, 1.5, 2, 2.5, 3]);
  t.deepEqual(new Set(percentiles([7])), new Set([7]));
});

test('of nothing there is no ratio and no percentile', (t) => {
  t.throws(() => ratioOfRounds([[]], [[1]]), { instanceOf: RangeError });
  t.throws(() => percentiles([]), { instanceOf: RangeError });
});
