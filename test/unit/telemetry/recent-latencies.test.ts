// SPDX-License-Identifier: Apache-2.0
// The last changes count, and no others.

import test from 'ava';
import { RecentLatencies } from '../../../agent/telemetry/recent-latencies.ts';

test('nothing yet', (t) => {
  t.is(new RecentLatencies().summary, undefined);
});

test('one is its own median', (t) => {
  const latencies = new RecentLatencies();
  latencies.add(7);
  t.deepEqual(latencies.summary, { changes: 1, p50Ms: 7, p99Ms: 7 });
});

test('quantiles by nearest rank, in whatever order', (t) => {
  const latencies = new RecentLatencies();
  for (let i = 100; i > 0; i--) latencies.add(i);
  t.deepEqual(latencies.summary, { changes: 100, p50Ms: 50, p99Ms: 99 });
});

test('old ones are forgotten', (t) => {
  const latencies = new RecentLatencies();
  for (let i = 0; i < 1000; i++) latencies.add(1_000_000);
  for (let i = 0; i < 1000; i++) latencies.add(3);
  t.deepEqual(latencies.summary, { changes: 1000, p50Ms: 3, p99Ms: 3 });
});
