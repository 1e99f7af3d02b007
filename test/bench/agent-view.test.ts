// SPDX-License-Identifier: Apache-2.0
// What a benchmark takes from the agent's log and metrics.

import test from 'ava';
import { parseMilestones, parsePasses } from './agent-view.ts';

const LOG = [
  '{"level":"info","time":"2026-01-01T00:00:00.050Z","msg":"ready"}',
  '{"level":"info","time":"2026-01-01T00:00:00.150Z","kind":"Service","objects":3,"msg":"listed"}',
  '{"level":"info","time":"2026-01-01T00:00:00.170Z","kind":"EndpointSlice","objects":3,"msg":"listed"}',
  'Warning: something else wrote this',
  '{"level":"info","time":"2026-01-01T00:00:00.250Z","msg":"ready"}',
  '',
].join('\n');

test('milestones count from the start of this agent; what an earlier one logged is left out', (t) => {
  t.deepEqual(parseMilestones(LOG, Date.parse('2026-01-01T00:00:00.100Z')), {
    'listed Service': 50,
    'listed EndpointSlice': 70,
    ready: 150,
  });
});

test('passes are what the histogram has counted', (t) => {
  const metrics = [
    'signalbox_pass_duration_seconds_bucket{le="5"} 12',
    'signalbox_pass_duration_seconds_sum 0.0345',
    'signalbox_pass_duration_seconds_count 12',
  ].join('\n');
  t.deepEqual(parsePasses(metrics), { count: 12, seconds: 0.0345 });
});
