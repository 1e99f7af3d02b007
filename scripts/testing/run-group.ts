// SPDX-License-Identifier: Apache-2.0
// Runs one group of tests in AVA and counts them. AVA's own report is shown when something failed,
// without the lines of the tests that passed.

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ROOT, TOOL_ENV } from '../command.ts';
import { type AvaEvent, type Outcome, outcomeOf, tally } from './tally.ts';

const AVA = path.join(ROOT, 'node_modules/ava/entrypoints/cli.mjs');
/** What passed or is told as a skip, and AVA's warning about the experiment that ava.config.js needs. */
const NOISE = /^\s*([✔√] |ℹ skipped: |⚠ Experiments are enabled)/;

export interface Group {
  /** A folder in test/. */
  readonly name: string;
  /** One file at a time: the tests share the machine's network, cgroups or clock. */
  readonly serial: boolean;
  /** Only these files; default: all of the folder. */
  readonly files?: readonly string[];
  /** Only the tests whose titles match one of these patterns. */
  readonly titles?: readonly string[];
  /** In place of ava.config.js's time without any test ending: for machines that are slow. */
  readonly timeout?: string;
}

export interface GroupOptions {
  readonly inCi: boolean;
  /** Every process of the run carries it, and so do those that a test forgot. */
  readonly marker: Readonly<Record<string, string>>;
  readonly onOutcome: (outcome: Outcome) => void;
  /** The folder that holds test/ and AVA's configuration. */
  readonly cwd?: string;
}

export interface GroupResult {
  readonly outcomes: readonly Outcome[];
  readonly report: string;
}

/** @returns the arguments for AVA that run a group. */
export function avaArguments({
  name,
  serial,
  files,
  titles = [],
  timeout,
}: Group): readonly string[] {
  return [
    ...(files ?? [`test/${name}/**/*.test.ts`]),
    ...(serial ? ['--serial'] : []),
    ...titles.flatMap((title) => ['--match', title]),
    ...(timeout === undefined ? [] : ['--timeout', timeout]),
  ];
}

/** Runs a group to its end. A run that AVA itself calls failed has at least one failure. */
export async function runGroup(group: Group, options: GroupOptions): Promise<GroupResult> {
  const { inCi, marker, onOutcome, cwd = ROOT } = options;
  const colour = process.stdout.isTTY ? ['--color'] : ['--no-color'];
  const child = spawn(process.execPath, [AVA, ...avaArguments(group), ...colour], {
    cwd,
    env: { ...TOOL_ENV, ...marker },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const outcomes: Outcome[] = [];
  const add = (outcome: Outcome) => {
    outcomes.push(outcome);
    onOutcome(outcome);
  };
  const withTests = new Set<string>();
  child.on('message', (message) => {
    const event = inFolder(message as AvaEvent, cwd);
    const file = event.testFile ?? '';
    if (event.type === 'declared-test') withTests.add(file);
    const isEmpty = event.type === 'worker-finished' && !withTests.has(file);
    const outcome = isEmpty
      ? { verdict: 'failed' as const, subject: file, reason: 'no tests in it' }
      : outcomeOf(event, { inCi });
    if (outcome) add(outcome);
  });
  const [exitCode, report] = await Promise.all([exitOf(child), reportOf(child)]);
  if (exitCode !== 0 && tally(outcomes).failed === 0) {
    add({ verdict: 'failed', subject: `test/${group.name}`, reason: `AVA ended with ${exitCode}` });
  }
  return { outcomes, report: withoutNoise(report) };
}

function withoutNoise(report: string): string {
  const lines = report.split('\n');
  return lines.filter((line) => !NOISE.test(stripVTControlCharacters(line))).join('\n');
}

function inFolder(event: AvaEvent, folder: string): AvaEvent {
  return event.testFile === undefined
    ? event
    : { ...event, testFile: path.relative(folder, event.testFile) };
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });
}

async function reportOf({ stdout, stderr }: ChildProcess): Promise<string> {
  let text = '';
  const keep = async (stream: AsyncIterable<string> | null | undefined) => {
    for await (const chunk of stream ?? []) text += chunk;
  };
  await Promise.all([keep(stdout?.setEncoding('utf8')), keep(stderr?.setEncoding('utf8'))]);
  return text;
}
