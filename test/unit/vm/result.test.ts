// SPDX-License-Identifier: Apache-2.0
// Nothing that went wrong in a guest is lost on the way from AVA's outcomes to results, rows and commands.

import test from 'ava';
import type { Outcome } from '../../../scripts/testing/tally.ts';
import { commandFor } from '../../vm/command-for.ts';
import {
  type FileResult,
  fileResults,
  type KernelResult,
  mergeFiles,
  resultJson,
  sumsOf,
  withLaterRun,
} from '../../vm/result.ts';
import { programRows, secondAttempts, skipRows, summary, testRows } from '../../vm/tables.ts';

const ONE = 'test/netns/one.test.ts';
const TWO = 'test/netns/two.test.ts';
const passed = (subject: string): Outcome => ({ verdict: 'passed', subject });
const failed = (subject: string, reason?: string): Outcome => ({
  verdict: 'failed',
  subject,
  ...(reason !== undefined && { reason }),
});
const REASON = 'needs Linux 6.5 for bpf_sock_destroy, has 6.1.0-56-amd64';

const NONE: FileResult = { suite: 'sockets', file: ONE, passed: 0, failed: [], skipped: [] };

function kernel(name: string, more: Partial<KernelResult> = {}): KernelResult {
  const empty = { files: [], programs: [], findings: [] };
  return { name, title: '', release: '', package: '', version: '', ...empty, ...more };
}

test('outcomes are those of their files, titles may be of any form', (t) => {
  const results = fileResults(
    'sockets',
    [ONE, TWO],
    [
      passed(`${ONE} › a`),
      passed(`${ONE} › b › c`),
      { verdict: 'skipped', subject: `${TWO} › d`, reason: REASON },
      failed(`${TWO} › e › f`),
    ],
  );
  t.deepEqual(results, [
    { ...NONE, passed: 2 },
    {
      ...NONE,
      file: TWO,
      failed: [{ title: 'e › f', reason: '' }],
      skipped: [{ title: 'd', reason: REASON }],
    },
  ]);
});

test('a file that broke more than once has failed once', (t) => {
  const [one] = fileResults(
    'sockets',
    [ONE],
    [failed(ONE, 'uncaught-exception'), failed(ONE, 'x')],
  );
  t.deepEqual(one?.failed, [{ title: ONE, reason: 'x' }]);
});

test('what is skipped for another reason than an old kernel has failed', (t) => {
  const reason = 'needs a kube-proxy to compare with (KUBE_PROXY)';
  const [one] = fileResults('sockets', [ONE], [{ verdict: 'skipped', subject: ONE, reason }]);
  t.deepEqual(one?.skipped, []);
  t.deepEqual(one?.failed, [{ title: ONE, reason: `may not be skipped in a guest: ${reason}` }]);
});

test('a file of which nothing is heard has failed', (t) => {
  const [, two] = fileResults('sockets', [ONE, TWO], [passed(`${ONE} › a`)]);
  t.deepEqual(two?.failed, [{ title: TWO, reason: 'none of its tests was run' }]);
});

test('what is said of the whole run counts where nothing is known, or last', (t) => {
  const ended = failed('test/sockets', 'AVA ended with SIGSEGV');
  const told = [{ title: 'test/sockets', reason: 'AVA ended with SIGSEGV' }];
  const early = fileResults('sockets', [ONE, TWO], [passed(`${ONE} › a`), ended]);
  t.deepEqual(
    early.map(({ failed }) => failed),
    [[], told],
  );
  const late = fileResults(
    'sockets',
    [ONE, TWO],
    [passed(`${ONE} › a`), passed(`${TWO} › b`), ended],
  );
  t.deepEqual(
    late.map(({ failed }) => failed),
    [[], told],
  );
});

test('results of several guests come in the order of the plan, and are summed', (t) => {
  const packets: FileResult = { ...NONE, suite: 'packets', passed: 3 };
  const files = mergeFiles([[{ ...NONE, passed: 1, secondTime: 'crash' }], [packets]]);
  t.deepEqual(
    files.map(({ suite }) => suite),
    ['packets', 'sockets'],
  );
  t.deepEqual(sumsOf(files), { passed: 4, failed: 0, skipped: 0, secondTime: 1 });
  t.is(summary(sumsOf(files)), '4 passed, 0 failed, 0 skipped');
});

test('a row for each file, a column for each kernel', (t) => {
  const skipped = [{ title: 'd', reason: REASON }];
  const rows = testRows([
    kernel('6.1', {
      files: [
        { ...NONE, passed: 2, skipped },
        { ...NONE, file: TWO, passed: 1, failed: [{ title: 'e', reason: '' }] },
      ],
    }),
    kernel('6.12', { files: [{ ...NONE, passed: 3, secondTime: 'a crash' }] }),
  ]);
  t.deepEqual(rows, [
    { name: ONE, cells: ['2, 1 skipped', '3 (second attempt)'] },
    { name: TWO, cells: ['1 FAILED of 2', '-'] },
    { name: 'all', cells: ['1 FAILED of 4, 1 skipped', '3 (second attempt)'] },
  ]);
});

test('reasons to skip are told once, without the release', (t) => {
  const of = (release: string) => ({
    files: [{ ...NONE, skipped: [{ title: 'd', reason: `needs it, has ${release}` }] }],
  });
  t.deepEqual(skipRows([kernel('6.1', of('6.1.0')), kernel('6.2', of('6.2.0')), kernel('6.12')]), [
    { name: 'needs it', cells: ['1', '1', '0'] },
  ]);
});

test('programs that a kernel does not have are no row less', (t) => {
  const program = { name: 'a.o b', instructions: 1000, verified: 2000, stack: [8] };
  const rows = programRows([
    kernel('6.1'),
    kernel('6.12', { programs: [{ ...program, verificationUs: 3_400 }] }),
  ]);
  t.deepEqual(rows, [{ name: 'a.o b', cells: ['1,000', '-', '2,000 / 3 ms'] }]);
});

test('a second attempt is never silent', (t) => {
  const files = [{ ...NONE, passed: 1, secondTime: 'node[7]: segfault at 0' }];
  t.deepEqual(secondAttempts([kernel('6.1', { files })]), [`6.1: ${ONE}: node[7]: segfault at 0`]);
});

test('a command for what failed, which the shell takes as it is', (t) => {
  const command = commandFor('6.1', { ...NONE, failed: [{ title: 'it’s a * "b"', reason: '' }] });
  t.regex(
    command,
    /^scripts\/vm --kernel 6\.1 .* test\/netns\/one\.test\.ts --match 'it’s a \* "b"'$/,
  );
  const quotes = commandFor('6.1', { ...NONE, failed: [{ title: "it's", reason: '' }] });
  t.true(quotes.endsWith(`--match 'it'\\''s'`));
  const whole = commandFor('6.1', { ...NONE, failed: [{ title: ONE, reason: 'exit' }] });
  t.true(whole.endsWith(` ${ONE}`));
  const load = commandFor('6.1', { ...NONE, suite: 'load', file: 'bpf/build' });
  t.is(load, 'npm run test:kernels -- --kernel 6.1 --only load');
});

test('a later run of a part takes the place of that part alone, and is told', (t) => {
  const packets: FileResult = { ...NONE, suite: 'packets', passed: 3 };
  const whole = {
    ...{ date: '', minutes: 1, processorMinutes: 2, processors: 2, qemu: '', clang: '', node: '' },
    kernels: [
      kernel('6.1', { files: [packets, NONE], findings: [{ id: 'a', severity: '', found: '' }] }),
      kernel('6.12', { files: [packets, NONE] }),
    ],
    later: [],
  };
  const run = { date: 'now', kernels: ['6.1'], suites: ['sockets'] as const };
  const { kernels, later } = withLaterRun(whole, run, [
    kernel('6.1', { files: [{ ...NONE, passed: 9 }] }),
  ]);
  t.deepEqual(kernels, [
    { ...whole.kernels[0], files: [packets, { ...NONE, passed: 9 }] },
    whole.kernels[1],
  ]);
  t.deepEqual(later, [run]);
  const again = { date: 'later', kernels: ['6.1', '6.12'], suites: ['sockets', 'load'] as const };
  const other = { ...run, suites: ['packets'] as const };
  t.deepEqual(withLaterRun({ ...whole, later: [run, other] }, again, []).later, [other, again]);
  t.throws(() => withLaterRun(whole, run, [kernel('6.1', { version: '2' })]), { message: /anew/ });
});

test('the file of results is JSON that can be compared line by line', (t) => {
  const program = {
    name: 'a.o b',
    instructions: 1,
    verified: 2,
    stack: [8, 16],
    verificationUs: 3,
  };
  const result = {
    ...{ date: '', minutes: 1, processorMinutes: 2, processors: 2, qemu: '', clang: '', node: '' },
    kernels: [kernel('6.1', { programs: [program] })],
    later: [],
  };
  const text = resultJson(result);
  t.deepEqual(JSON.parse(text), result);
  t.true(text.includes('"stack": [ 8, 16 ]'));
});
