// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { armCosts } from './bulk.ts';
import { armLatencies } from './latency.ts';
import { added } from './programs.ts';

test('an arm with a proxy has what it costs past it, one without has not', (t) => {
  const [direct, signalbox] = armLatencies(
    ['direct', 'signalbox'],
    new Map([
      ['direct', [[10], [20]]],
      ['signalbox', [[11], [24]]],
      ['signalbox-past', [[10], [22]]],
    ]),
  );
  t.is(direct?.past, undefined);
  t.deepEqual(direct?.ratio, { ofMedians: 1, min: 1, max: 1 });
  t.is(signalbox?.us.count, 2);
  t.is(signalbox?.percentilesUs[100], 24);
  t.deepEqual(signalbox?.ratio, { ofMedians: 17.5 / 15, min: 1.1, max: 1.2 });
  t.deepEqual(signalbox?.past?.ratio, { ofMedians: 16 / 15, min: 1, max: 1.1 });
});

test('bulk has a ratio of CPU and one of time', (t) => {
  const [, signalbox] = armCosts(
    new Map([
      ['direct', [[{ cpuSeconds: 0.4, seconds: 1 }]]],
      ['signalbox', [[{ cpuSeconds: 0.2, seconds: 3 }]]],
    ]),
  );
  t.is(signalbox?.cpuRatio.ofMedians, 0.5);
  t.is(signalbox?.timeRatio.ofMedians, 3);
});

test('a program is what it has run since, by unit; one that has not run is none', (t) => {
  const program = { name: 'connect4', instructions: 700 };
  const before = new Map([[1, { ...program, runs: 100, ns: 5_000 }]]);
  const after = new Map([
    [1, { ...program, runs: 300, ns: 25_000 }],
    [2, { ...program, name: 'connect6', runs: 0, ns: 0 }],
  ]);
  t.deepEqual(added(before, after, 'connect', 200), [
    { name: 'connect4', traffic: 'connect', instructions: 700, runsPerUnit: 1, nsPerRun: 100 },
  ]);
});
