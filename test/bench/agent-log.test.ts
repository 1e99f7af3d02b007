// SPDX-License-Identifier: Apache-2.0
// What a benchmark takes from the agent's log.

import test from 'ava';
import { lastPass, parseAgentLog, passes } from './agent-log.ts';

const LOG = [
  '{"level":"info","time":"2026-01-01T00:00:00.100Z","kind":"Service","objects":3,"msg":"listed"}',
  '{"level":"debug","time":"2026-01-01T00:00:00.250Z","services":3,"writes":9,"durationMs":12.5,"msg":"programmed"}',
  '{"level":"debug","time":"2026-01-01T00:00:00.300Z","services":0,"writes":0,"durationMs":0.1,"msg":"programmed"}',
  'Warning: something else wrote this',
  '',
].join('\n');

test('lines have a time and fields; what is no line of the agent is left out', (t) => {
  const lines = parseAgentLog(LOG);
  t.deepEqual(
    lines.map(({ msg, atMs }) => [msg, new Date(atMs).toISOString()]),
    [
      ['listed', '2026-01-01T00:00:00.100Z'],
      ['programmed', '2026-01-01T00:00:00.250Z'],
      ['programmed', '2026-01-01T00:00:00.300Z'],
    ],
  );
  t.is(lines[0]?.fields.kind, 'Service');
});

test('the last pass is the last that wrote, not one that found nothing to do', (t) => {
  const lines = parseAgentLog(LOG);
  t.is(passes(lines).length, 1);
  const atMs = Date.parse('2026-01-01T00:00:00.250Z');
  t.deepEqual(lastPass(lines), { atMs, services: 3, writes: 9, durationMs: 12.5 });
  t.throws(() => lastPass([]), { message: /no pass/ });
});
