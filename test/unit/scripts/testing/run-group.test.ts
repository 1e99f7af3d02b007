// SPDX-License-Identifier: Apache-2.0
// Counting is only as good as what AVA tells, so real test files of every kind run in a real AVA.

import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ROOT } from '../../../../scripts/command.ts';
import { type Group, runGroup } from '../../../../scripts/testing/run-group.ts';
import { type Outcome, tally } from '../../../../scripts/testing/tally.ts';

const MIXED = `import test from 'ava';
test('passes', (t) => t.pass());
test('fails', (t) => t.is(1, 2));
test('throws', () => { throw new Error('thrown'); });
test('lacks root', (t) => { t.log('skipped: needs root'); t.pass(); });
test('lacks a kernel', (t) => { t.log('skipped: needs Linux 99.1 for time travel, has 6.1'); t.pass(); });
test('is known to fail', (t) => t.pass());
test.failing('known', (t) => t.fail());
test.skip('left out', (t) => t.pass());
test.todo('to come');
`;
const HOOK = `import test from 'ava';
test.after(() => { throw new Error('in a hook'); });
test('before the hook', (t) => t.pass());
`;
const FORGOTTEN = `import test from 'ava';
test('ends', (t) => { setTimeout(() => { throw new Error('afterwards'); }); t.pass(); });
`;

async function run(
  t: ExecutionContext,
  files: Readonly<Record<string, string>>,
  { inCi = false, group = {} }: { inCi?: boolean; group?: Partial<Group> } = {},
): Promise<{ outcomes: readonly Outcome[]; report: string }> {
  const cwd = await mkdtemp(path.join(tmpdir(), 'signalbox-group-'));
  t.teardown(() => rm(cwd, { recursive: true }));
  await mkdir(path.join(cwd, 'test/unit'), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(cwd, 'node_modules'));
  await cp(path.join(ROOT, 'ava.config.js'), path.join(cwd, 'ava.config.js'));
  await writeFile(path.join(cwd, 'package.json'), '{"type": "module"}');
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(cwd, `test/unit/${name}.test.ts`), text);
  }
  const seen: Outcome[] = [];
  const onOutcome = (outcome: Outcome) => seen.push(outcome);
  const result = await runGroup(
    { name: 'unit', serial: false, ...group },
    { inCi, marker: {}, onOutcome, cwd },
  );
  t.deepEqual(seen, result.outcomes);
  return result;
}

const failures = (outcomes: readonly Outcome[]) =>
  outcomes.filter(({ verdict }) => verdict === 'failed').map(({ subject }) => subject);

test('tests are counted by what became of them, skips with their reason', async (t) => {
  const { outcomes, report } = await run(t, { mixed: MIXED });
  t.deepEqual(tally(outcomes), { passed: 3, failed: 2, skipped: 4 });
  t.deepEqual(failures(outcomes), [
    'test/unit/mixed.test.ts › fails',
    'test/unit/mixed.test.ts › throws',
  ]);
  t.deepEqual(
    outcomes
      .filter(({ verdict }) => verdict === 'skipped')
      .map(({ reason }) => reason)
      .sort(),
    ['needs Linux 99.1 for time travel, has 6.1', 'needs root', 'test.skip', 'test.todo'],
  );
  t.regex(report, /thrown/);
  t.notRegex(report, /✔|Experiments|needs root/);
});

test('in CI only a kernel that is too old is a reason to skip', async (t) => {
  const { outcomes } = await run(t, { mixed: MIXED }, { inCi: true });
  t.deepEqual(tally(outcomes), { passed: 3, failed: 5, skipped: 1 });
});

test('what breaks beside the tests is a failure, once for each file', async (t) => {
  const files = {
    crash: "throw new Error('on import');",
    empty: "import 'ava';",
    exit: "import test from 'ava';\ntest('leaves', () => process.exit(0));",
    forgotten: FORGOTTEN,
    hook: HOOK,
  };
  const { outcomes } = await run(t, files);
  t.deepEqual([...new Set(failures(outcomes))].sort(), [
    'test/unit/crash.test.ts',
    'test/unit/empty.test.ts',
    'test/unit/exit.test.ts',
    'test/unit/forgotten.test.ts',
    'test/unit/hook.test.ts › after hook',
  ]);
  t.is(tally(outcomes).failed, 5);
});

test('a group may be some files only, with a time-out of its own', async (t) => {
  const files = { mixed: MIXED, crash: "throw new Error('on import');", hook: HOOK };
  const group = { files: ['test/unit/mixed.test.ts', 'test/unit/hook.test.ts'], timeout: '3m' };
  const { outcomes } = await run(t, files, { group });
  t.deepEqual(tally(outcomes), { passed: 4, failed: 3, skipped: 4 });
});

test('a group may be some titles only, of which there has to be one', async (t) => {
  const files = { mixed: MIXED };
  const some = await run(t, files, { group: { titles: ['pass*', 'left *'] } });
  t.deepEqual(tally(some.outcomes), { passed: 1, failed: 0, skipped: 1 });
  const none = await run(t, files, { group: { titles: ['no such title'] } });
  t.is(tally(none.outcomes).failed, 1);
});

test('a group without tests is a failure', async (t) => {
  const { outcomes } = await run(t, {});
  t.is(tally(outcomes).failed, 1);
});
