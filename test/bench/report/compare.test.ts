// SPDX-License-Identifier: Apache-2.0
// Two runs: what is called a change is beyond noise, and what differs between the machines is said.

import test from 'ava';
import fc from 'fast-check';
import type { Ratio, Result } from '../result.ts';
import { compare, worseOfSignalbox } from './compare.ts';
import { emptyResult, latency, plausibleResult, results } from './fixtures.ts';

test('a run compared with itself has every figure, nothing better, nothing worse, no warning', (t) => {
  fc.assert(
    fc.property(results, (result) => {
      const { rows, warnings } = compare(result, result);
      t.true(rows.every(({ verdict, changeText }) => verdict === 'same' && changeText === '='));
      t.deepEqual(warnings, []);
    }),
    { numRuns: 50 },
  );
});

test('a median outside of the other run’s rounds, further than the noise of both, is a change', (t) => {
  const before = connects({ ofMedians: 1.02, min: 1, max: 1.04 }, 1.005);
  const after = connects({ ofMedians: 1.1, min: 1.08, max: 1.12 }, 1.005);
  t.is(medianVerdict(before, after), 'worse');
  t.is(medianVerdict(after, before), 'better');
  t.is(worseOfSignalbox(compare(before, after)).length, 1);
  t.is(worseOfSignalbox(compare(after, before)).length, 0);
});

test('one inside of the rounds is none, however quiet the run', (t) => {
  const before = connects({ ofMedians: 1.02, min: 1, max: 1.12 }, 1);
  t.is(medianVerdict(before, connects({ ofMedians: 1.1, min: 1.08, max: 1.12 }, 1)), 'same');
});

test('one within the noise of both runs together is none, however close the rounds', (t) => {
  const at = (ofMedians: number) => ({ ofMedians, min: ofMedians, max: ofMedians });
  t.is(medianVerdict(connects(at(1), 1.03), connects(at(1.05), 0.97)), 'same');
  t.is(medianVerdict(connects(at(1), 1.03), connects(at(1.07), 0.97)), 'worse');
});

test('what is counted has no noise; what is measured once has a tenth', (t) => {
  const verdicts = (change: Partial<Result['programs'][number]>) => {
    const { programs } = plausibleResult();
    const a = { ...emptyResult(), programs };
    const b = { ...a, programs: programs.map((program) => ({ ...program, ...change })) };
    return compare(a, b).rows.map(({ what, verdict }) => `${what.split(', ').at(-1)}: ${verdict}`);
  };
  t.deepEqual(verdicts({ instructions: 813, nsPerRun: 339 }), [
    'instructions: worse',
    'runs: same',
    'time of a run: same',
  ]);
  t.deepEqual(verdicts({ nsPerRun: 345 }).at(-1), 'time of a run: worse');
});

test('a figure that only one of them has is left out', (t) => {
  t.deepEqual(compare(plausibleResult(), emptyResult()).rows, []);
});

test('another machine, other options and another kube-proxy are warned of, and refuse nothing', (t) => {
  const a = plausibleResult();
  const b = plausibleResult('standIns');
  const machine = { ...b.machine, kernel: '6.1.0', cpus: 64, cpu: 'another' };
  const { warnings, rows } = compare(a, {
    ...b,
    machine,
    options: { ...b.options, rounds: 1 },
  });
  t.is(warnings.length, 5);
  for (const what of [/kernel differs/, /number of CPUs/, /--rounds 1/, /\(stand-in\) in B/]) {
    t.true(
      warnings.some((warning) => what.test(warning)),
      String(what),
    );
  }
  t.true(rows.length > 0);
});

function connects(signalbox: Ratio, again: number): Result {
  const whole = latency(['direct', 'directAgain', 'signalbox'], 'connect', 'clusterIP', 'ipv4', 10);
  const arms = whole.arms.map(({ past: _, ...each }) => {
    if (each.arm === 'signalbox') return { ...each, ratio: signalbox };
    return each.arm === 'directAgain'
      ? { ...each, ratio: { ofMedians: again, min: again, max: again } }
      : each;
  });
  return { ...emptyResult(), latencies: [{ ...whole, arms }] };
}

function medianVerdict(a: Result, b: Result): string | undefined {
  return compare(a, b).rows.find(({ arm, what }) => arm === 'signalbox' && what.endsWith('median'))
    ?.verdict;
}
