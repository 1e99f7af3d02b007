#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Runs suites of the plan on the machine that it is started on: a guest with one of the kernels. Started by guest-run.ts.
// Says what becomes of them in lines of JSON. Exit code 0 means that all were run, not that all passed.
//
//	in-guest.ts [--part] SUITE...

import { parseArgs } from 'node:util';
import { runCommand } from '../../scripts/command.ts';
import { type GroupResult, runGroup } from '../../scripts/testing/run-group.ts';
import type { Outcome } from '../../scripts/testing/tally.ts';
import { examineGuest } from './examine-guest.ts';
import { nodeCrashes } from './kernel-log.ts';
import { loadPrograms } from './load-programs.ts';
import { BESIDE, filesOf, SUITES, type SuiteName, titlesOf, unmatched } from './plan.ts';
import { type FileResult, fileResult, fileResults, type GuestEvent } from './result.ts';

/** Without any test ending. Everything takes ten times as long. */
const TIMEOUT = '10m';

const { values, positionals } = parseArgs({
  options: { part: { type: 'boolean', default: false } },
  allowPositionals: true,
});
for (const suite of positionals.filter((name) => SUITES.includes(name as SuiteName))) {
  await runSuite(suite as SuiteName);
}
tell({ kind: 'done' });

async function runSuite(suite: SuiteName): Promise<void> {
  if (suite === 'load') tellBeside(suite, runLoad());
  if (suite === 'doctor') tellBeside(suite, await runDoctor());
  const files = filesOf(suite, values.part);
  const whole = files.filter((file) => titlesOf(suite, file) === undefined);
  if (whole.length > 0) await runFiles(suite, whole);
  for (const file of files) {
    const titles = titlesOf(suite, file);
    if (titles !== undefined) await runFiles(suite, [file], titles);
  }
}

function runLoad(): readonly Outcome[] {
  const { outcomes, programs } = loadPrograms();
  tell({ kind: 'programs', programs });
  return outcomes;
}

async function runDoctor(): Promise<readonly Outcome[]> {
  const { outcomes, findings } = await examineGuest();
  tell({ kind: 'findings', findings });
  return outcomes;
}

/** What is no file of tests. */
function tellBeside(suite: SuiteName, outcomes: readonly Outcome[]): void {
  const what = BESIDE[suite] ?? suite;
  for (const outcome of outcomes) tell({ kind: 'outcome', suite, outcome });
  const report = outcomes.flatMap(({ verdict, subject, reason }) =>
    verdict === 'failed' ? `${subject}: ${reason}` : [],
  );
  tell({ kind: 'file', result: fileResult(suite, what, outcomes), report: report.join('\n') });
}

/** In one AVA, because each start of it takes long; what failed while Node crashed, a second time. */
async function runFiles(
  suite: SuiteName,
  files: readonly string[],
  titles: readonly string[] = [],
): Promise<void> {
  const before = (await crashes()).length;
  const first = await run(suite, files, titles);
  const results = fileResults(suite, files, [
    ...first.outcomes,
    ...unmatched(titles, first.outcomes.map(titleOf)).map(
      (title): Outcome => ({ verdict: 'failed', subject: `no test like ${title}` }),
    ),
  ]);
  const reason = (await crashes())[before];
  const again =
    reason === undefined ? [] : results.filter(({ failed }) => failed.length > 0).map(fileOf);
  for (const result of results.filter(({ file }) => !again.includes(file))) {
    tell({ kind: 'file', result, report: reportOf(result, first) });
  }
  if (again.length === 0 || reason === undefined) return;
  const second = await run(suite, again, titles);
  for (const result of fileResults(suite, again, second.outcomes)) {
    const told = { ...result, secondTime: reason };
    tell({ kind: 'file', result: told, report: reportOf(result, second) });
  }
}

function run(
  suite: SuiteName,
  files: readonly string[],
  titles: readonly string[],
): Promise<GroupResult> {
  return runGroup(
    { name: suite, serial: true, files, titles, timeout: TIMEOUT },
    {
      // Nothing that a guest lacks is a reason to skip, except for the age of its kernel.
      inCi: true,
      marker: {},
      onOutcome: (outcome) => tell({ kind: 'outcome', suite, outcome }),
    },
  );
}

async function crashes(): Promise<readonly string[]> {
  return nodeCrashes((await runCommand('dmesg', [])).output);
}

function titleOf({ subject }: Outcome): string {
  return subject.split(' › ').slice(1).join(' › ');
}

function fileOf({ file }: FileResult): string {
  return file;
}

/** AVA's report is of the whole run. */
function reportOf({ failed }: FileResult, { report }: GroupResult): string {
  return failed.length > 0 ? report : '';
}

function tell(event: GuestEvent): void {
  console.log(JSON.stringify(event));
}
