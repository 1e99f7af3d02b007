// SPDX-License-Identifier: Apache-2.0
// When recorded costs of programs count, and what is said when they are wrong.

import test from 'ava';
import {
  costProblems,
  formatCosts,
  type ProgramCost,
  type ProgramCosts,
  RECORD_COMMAND,
} from '../../../../scripts/costs/program-costs.ts';

const HERE = { kernel: '6.18.0', architecture: 'x86_64', clang: '14.0.6' };
const COST: ProgramCost = { instructions: 100, verified: 2000, stack: [320, 16] };

function costs(cost: Partial<ProgramCost> = {}, more: Partial<ProgramCosts> = {}): ProgramCosts {
  const objects = { 'tc.o': { ingress: { ...COST, ...cost }, egress: COST } };
  return { measuredOn: HERE, objects, ...more };
}

test('what is written is what is read, a line a program, sorted', (t) => {
  const text = formatCosts(costs());
  t.deepEqual(JSON.parse(text), costs());
  t.regex(text, /\n {6}"egress": \{.*\},\n {6}"ingress": \{[^\n]*"stack": \[320, 16\] \}\n/);
});

test('the same figures are no problem', (t) => {
  t.deepEqual(costProblems(costs(), costs()), []);
});

test('a change is shown, old and new, with the command that records it', (t) => {
  for (const [change, shown] of [
    [{ instructions: 101 }, '100 -> 101'],
    [{ verified: 1999 }, '2000 -> 1999'],
    [{ stack: [320] }, '320+16 -> 320'],
  ] as const) {
    const [problem = '', ...others] = costProblems(costs(), costs(change));
    t.deepEqual(others, []);
    t.true(problem.includes(RECORD_COMMAND));
    t.regex(problem, new RegExp(`^tc\\.o ingress .*${RegExp.escape(shown)}`, 'm'));
    t.notRegex(problem, /egress/);
  }
});

test('on another kernel or compiler figures differ', (t) => {
  for (const there of [{ kernel: '6.12.0' }, { clang: '19.1.0' }, { architecture: 'aarch64' }]) {
    const elsewhere = costs({ verified: 1 }, { measuredOn: { ...HERE, ...there } });
    t.deepEqual(costProblems(costs(), elsewhere), []);
  }
});

test('a program that is not recorded, and one that is gone, are told everywhere', (t) => {
  const fewer = { objects: { 'tc.o': { egress: COST } }, measuredOn: { ...HERE, clang: '19' } };
  t.regex(costProblems(fewer, costs()).join(), /tc\.o ingress .*none -> 100/);
  t.regex(costProblems(costs(), fewer).join(), /tc\.o ingress .*100 -> none/);
});

test('limits count wherever it is measured', (t) => {
  const elsewhere = { measuredOn: { ...HERE, kernel: '6.1.0' } };
  t.deepEqual(costProblems(costs(), costs({ verified: 99_999, stack: [512] }, elsewhere)), []);
  t.regex(
    costProblems(costs(), costs({ verified: 100_000 }, elsewhere)).join(),
    /ingress: .*100000/,
  );
  t.regex(costProblems(costs(), costs({ stack: [0, 520] }, elsewhere)).join(), /520 bytes/);
});
