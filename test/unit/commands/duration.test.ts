// SPDX-License-Identifier: Apache-2.0
// Durations for people.

import test from 'ava';
import { formatDuration } from '../../../agent/commands/duration.ts';

for (const [seconds, text] of [
  [0, '0s'],
  [0.999, '0s'],
  [59.9, '59s'],
  [60, '1m'],
  [125, '2m5s'],
  [3600, '1h'],
  [3601, '1h'],
  [86_399, '23h59m'],
  [90_061, '1d1h'],
  [86_400 * 100, '100d'],
] as const) {
  test(`${seconds} seconds`, (t) => t.is(formatDuration(seconds), text));
}
