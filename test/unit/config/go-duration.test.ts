// SPDX-License-Identifier: Apache-2.0
// Durations as Go reads and writes them (time.ParseDuration, Duration.String).

import test from 'ava';
import fc from 'fast-check';
import {
  formatGoDuration,
  milliseconds,
  parseGoDuration,
} from '../../../agent/config/go-duration.ts';

const reads = test.macro({
  exec(t, text: string, ns: bigint, written: string) {
    t.is(parseGoDuration(text), ns);
    t.is(formatGoDuration(ns), written);
  },
  title: (_, text) => `reads ${text}`,
});
test(reads, '0', 0n, '0s');
test(reads, '0s', 0n, '0s');
test(reads, '30s', 30_000_000_000n, '30s');
test(reads, '1h30m', 5_400_000_000_000n, '1h30m0s');
test(reads, '15m0s', 900_000_000_000n, '15m0s');
test(reads, '24h', 86_400_000_000_000n, '24h0m0s');
test(reads, '100ms', 100_000_000n, '100ms');
test(reads, '1.5s', 1_500_000_000n, '1.5s');
test(reads, '.5s', 500_000_000n, '500ms');
test(reads, '1.s', 1_000_000_000n, '1s');
test(reads, '2us', 2_000n, '2µs');
test(reads, '2µs', 2_000n, '2µs');
test(reads, '1500ns', 1_500n, '1.5µs');
test(reads, '-1m1ms', -60_001_000_000n, '-1m0.001s');
test(reads, '+5s', 5_000_000_000n, '5s');
test(reads, '2562047h47m16.854775807s', 2n ** 63n - 1n, '2562047h47m16.854775807s');

const refuses = test.macro({
  exec: (t, text: string) => t.is(parseGoDuration(text), undefined),
  title: (_, text) => `refuses '${text}'`,
});
for (const text of [
  '',
  '30',
  '1d',
  's',
  '.s',
  '1h 30m',
  '1:30',
  '5 s',
  '--5s',
  '1e3s',
  '2562047h47m16.854775808s',
  'x1s',
  '1sx',
]) {
  test(refuses, text);
}

test('what is written reads as it was', (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (ns) => {
      t.is(parseGoDuration(formatGoDuration(ns)), ns);
    }),
  );
});

test('milliseconds', (t) => {
  t.is(milliseconds(1_500_000n), 1.5);
});
