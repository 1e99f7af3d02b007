#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Every check that one machine can do: the build, the gates of check.ts, the tests in groups, and that
// they left nothing behind. Started by `npm test`. The last line is `N passed, N failed, N skipped`.

import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { GATES } from './checks/gates.ts';
import { runGates } from './checks/run-gates.ts';
import { ROOT, runCommand } from './command.ts';
import { printDetail, printEnded, printReproduce, showStatus } from './progress.ts';
import { endProcesses, findLeaks, lookForTraces, newMarker } from './testing/leaks.ts';
import { avaArguments, type Group, runGroup } from './testing/run-group.ts';
import { type Outcome, tally } from './testing/tally.ts';

/** In this order: what fails soonest first. Folders that are not here come last, one file at a time. */
const GROUPS: readonly Group[] = [
  { name: 'unit', serial: false },
  { name: 'scenario', serial: false },
  { name: 'fuzz', serial: false },
  { name: 'prog', serial: true },
  { name: 'netns', serial: true },
];

/** So that a log shows that something moves, where no line can be overwritten. */
const HEARTBEAT_MS = 20_000;

const inCi = process.env.CI === 'true';
const groups = findGroups();

const USAGE = `Usage: npm test [-- --only GROUP]...

Builds the BPF programs, checks the tree and runs the tests. What this machine cannot do is skipped
and counted with its reason; with CI=true only a kernel that is too old is one.

  --only GROUP  build, and run only this group; may be given more than once

Groups: check ${groups.map((group) => group.name).join(' ')}`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
  },
});
const isWanted = (name: string) => values.only?.includes(name) ?? true;
const unknown = values.only?.filter(
  (name) => name !== 'check' && !groups.some((group) => group.name === name),
);

if (values.help) {
  console.log(USAGE);
} else if (unknown !== undefined && unknown.length > 0) {
  console.error(`There is no group ${unknown.join(', ')}.\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  const outcomes = await runEverything();
  printSkips(outcomes);
  const { passed, failed, skipped } = tally(outcomes);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}

async function runEverything(): Promise<readonly Outcome[]> {
  const built = await step('build', 'npm run build', async () => {
    const { ok, output } = await runCommand('node', ['scripts/build.ts']);
    return ok ? [] : [output];
  });
  // Nothing that follows says anything about programs that were not built.
  if (built.verdict === 'failed') return [built];

  const outcomes: Outcome[] = [built];
  if (isWanted('check')) {
    const failed = await runGates(GATES);
    outcomes.push(
      ...GATES.map(({ name }) => ({
        verdict: failed.includes(name) ? ('failed' as const) : ('passed' as const),
        subject: name,
      })),
    );
  }
  const marker = newMarker();
  const before = await lookForTraces(marker);
  for (const group of groups.filter(({ name }) => isWanted(name))) {
    outcomes.push(...(await runTests(group, marker)));
  }
  outcomes.push(await step('nothing left behind', undefined, () => findLeaks(before, marker)));
  endProcesses(marker);
  return outcomes;
}

async function step(
  name: string,
  again: string | undefined,
  findProblems: () => Promise<readonly string[]>,
): Promise<Outcome> {
  const startMs = performance.now();
  showStatus(name);
  const problems = await findProblems();
  const ok = problems.length === 0;
  printEnded({ name, ok, durationMs: performance.now() - startMs });
  if (!ok) printDetail(problems.join('\n'));
  if (!ok && again !== undefined) printReproduce(again);
  return { verdict: ok ? 'passed' : 'failed', subject: name };
}

async function runTests(
  group: Group,
  marker: Readonly<Record<string, string>>,
): Promise<readonly Outcome[]> {
  const startMs = performance.now();
  const seen: Outcome[] = [];
  const heartbeat = setInterval(() => {
    if (!process.stdout.isTTY) printDetail(`${group.name}: ${seen.length} tests so far`);
  }, HEARTBEAT_MS);
  showStatus(group.name);
  const { outcomes, report } = await runGroup(group, {
    inCi,
    marker,
    onOutcome(outcome) {
      seen.push(outcome);
      const { verdict, subject, reason = '' } = outcome;
      if (verdict === 'failed') printDetail(`✗ ${subject} ${reason}`);
      showStatus(`${group.name} ${seen.length}: ${subject}`);
    },
  });
  clearInterval(heartbeat);

  const { passed, failed, skipped } = tally(outcomes);
  const note = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  const durationMs = performance.now() - startMs;
  printEnded({ name: group.name, ok: failed === 0, durationMs, note });
  if (failed > 0) {
    printDetail(report);
    printReproduce(`node_modules/.bin/ava ${avaArguments(group).map(quoted).join(' ')}`);
  }
  return outcomes;
}

function printSkips(outcomes: readonly Outcome[]): void {
  const skips = outcomes.filter(({ verdict }) => verdict === 'skipped');
  for (const [reason, alike] of Map.groupBy(skips, (outcome) => outcome.reason)) {
    console.log(`- ${alike.length} skipped: ${reason}`);
  }
}

/** @returns the folders of test/ that hold tests. */
function findGroups(): readonly Group[] {
  const files = globSync('test/*/**/*.test.ts', { cwd: ROOT });
  const folders = new Set(files.map((file) => file.split('/')[1] ?? ''));
  const others = [...folders].filter((name) => !GROUPS.some((group) => group.name === name));
  return [
    ...GROUPS.filter(({ name }) => folders.has(name)),
    ...others.sort().map((name) => ({ name, serial: true })),
  ];
}

function quoted(word: string): string {
  return /[*?]/.test(word) ? `'${word}'` : word;
}
