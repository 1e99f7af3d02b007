// SPDX-License-Identifier: Apache-2.0
// Writes to the API server: so many at once, then so many in a second.

import test from 'ava';
import { Pace } from '../../../agent/cluster/pace.ts';

const turns = (pace: Pace, count: number, nowMs: number) =>
  Array.from({ length: count }, () => pace.turn(nowMs));

test('a burst at once, then one after another', (t) => {
  const pace = new Pace({ qps: 5, burst: 3 });
  t.deepEqual(turns(pace, 5, 1000), [0, 0, 0, 200, 400]);
  t.deepEqual(turns(pace, 1, 1400), [200], 'those that wait come first');
  t.deepEqual(turns(pace, 4, 60_000), [0, 0, 0, 200], 'what was not used is not saved up');
});

test('no limit', (t) => {
  t.deepEqual(turns(new Pace({ qps: Infinity, burst: 1 }), 3, 0), [0, 0, 0]);
});

test('waiting ends when the agent does', async (t) => {
  const pace = new Pace({ qps: 0.001, burst: 1 });
  await pace.wait(new AbortController().signal);
  await t.notThrowsAsync(pace.wait(AbortSignal.abort()));
});
