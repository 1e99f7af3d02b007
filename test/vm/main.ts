#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `npm run test:kernels`: the project's own tests with each kernel that it names, in virtual machines. At the end a table, and
// a command for each failure. Exit codes: 1 when something failed or no guest can run here, 2 for a wrong command line.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { formatTable } from '../../agent/commands/table.ts';
import { EnvironmentError, MendableError, messageOf, UsageError } from '../../agent/errors.ts';
import { buildBpf } from '../../scripts/build.ts';
import { fetchKernel } from '../../scripts/guest/fetch-kernel.ts';
import { findSource, KERNELS } from '../../scripts/guest/kernels.ts';
import { findProgram, QEMU, whyNoGuest } from '../../scripts/guest/needs.ts';
import { printDetail, printReproduce } from '../../scripts/progress.ts';
import { commandFor } from './command-for.ts';
import { PLAN, SUITES, type SuiteName } from './plan.ts';
import { type KernelResult, type Result, resultJson, sumsOf, withLaterRun } from './result.ts';
import { type Matrix, runMatrix } from './run-matrix.ts';
import { programRows, type Row, secondAttempts, skipRows, summary, testRows } from './tables.ts';

const RESULTS = path.join(import.meta.dirname, 'results.json');
const MOST_AT_ONCE = 3;

const USAGE = `Usage: npm run test:kernels [-- OPTION...]

Boots each kernel in a virtual machine, which needs no KVM, and runs tests there that depend on the kernel. Kernels are
downloaded from Debian's packages. On two processors all of it takes about twenty minutes.

  --kernel NAME   only this one; may be given more than once: ${KERNELS.map(({ name }) => name).join(', ')}
  --only SUITE    only this suite; may be given more than once:
${SUITES.map((suite) => `                    ${suite.padEnd(8)} ${PLAN[suite].title}`).join('\n')}
  --at-once N     guests at a time (default: one more than processors, since each waits now and then, ${MOST_AT_ONCE} at most; each takes up to 3 GB)
  --write         keep the result in test/vm/results.json, of which npm run generate makes docs/kernels.md; of a part, in place
                  of what the last whole run has of it`;

const stopping = new AbortController();

try {
  await main();
} catch (error) {
  const { exitCode, hint } =
    error instanceof MendableError ? error : { exitCode: 1, hint: undefined };
  console.error(`test:kernels: ${messageOf(error)}${hint ? `\n  ${hint}` : ''}`);
  if (error instanceof UsageError) console.error(`\n${USAGE}`);
  process.exitCode = exitCode;
}

async function main(): Promise<void> {
  const { help, write, names, suites, atOnce } = readOptions();
  if (help) return console.log(USAGE);
  const obstacle = whyNoGuest();
  if (obstacle !== undefined) throw new EnvironmentError(obstacle);
  buildBpf();
  const kernels = [];
  for (const name of names) kernels.push(await fetchKernel(name, { onProgress: printDetail }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => stopping.abort(128 + os.constants.signals[signal]));
  const startMs = performance.now();
  const matrix = await runMatrix({ kernels, suites, atOnce, signal: stopping.signal });
  const minutes = (performance.now() - startMs) / 60_000;
  if (stopping.signal.aborted) {
    process.exitCode = stopping.signal.reason;
    return;
  }
  show(matrix);
  const sums = sumsOf(matrix.kernels.flatMap(({ files }) => files));
  console.log(
    `${summary(sums)}, in ${rounded(minutes)} minutes (${rounded(processorMinutes())} of processors)`,
  );
  if (write) record(matrix.kernels, { names, suites, minutes });
  process.exitCode = sums.failed > 0 ? 1 : 0;
}

interface Options {
  readonly help: boolean;
  readonly write: boolean;
  readonly names: readonly string[];
  readonly suites: readonly SuiteName[];
  readonly atOnce: number;
}

/** @throws UsageError */
function readOptions(): Options {
  const values = parse();
  const names = values.kernel ?? KERNELS.map(({ name }) => name);
  const suites = values.only ?? [...SUITES];
  for (const name of names)
    if (findSource(name) === undefined) throw new UsageError(`there is no kernel ${name}`);
  for (const suite of suites)
    if (!SUITES.includes(suite as SuiteName)) throw new UsageError(`there is no suite ${suite}`);
  const { write = false, help = false } = values;
  const atOnce = values['at-once'] ?? `${Math.min(MOST_AT_ONCE, os.availableParallelism() + 1)}`;
  if (!/^[1-9]\d?$/.test(atOnce)) throw new UsageError(`--at-once takes a number, not ${atOnce}`);
  return { help, write, names, suites: suites as SuiteName[], atOnce: Number(atOnce) };
}

/** @throws UsageError */
function parse() {
  try {
    return parseArgs({
      options: {
        kernel: { type: 'string', multiple: true },
        only: { type: 'string', multiple: true },
        'at-once': { type: 'string' },
        write: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function show({ kernels, reports }: Matrix): void {
  const names = kernels.map(({ name }) => name.toUpperCase());
  printTable(['TEST', ...names], testRows(kernels));
  printTable(
    ['PROGRAM', 'INSTRUCTIONS', ...names.map((name) => `${name} VERIFIED`)],
    programRows(kernels),
  );
  printTable(['SKIPPED, BECAUSE IT', ...names], skipRows(kernels));
  for (const line of secondAttempts(kernels)) console.log(`second attempt: ${line}`);
  for (const report of reports) printDetail(report);
  for (const kernel of kernels)
    for (const file of kernel.files)
      if (file.failed.length > 0) printReproduce(commandFor(kernel.name, file));
}

function printTable(heads: readonly string[], rows: readonly Row[]): void {
  if (rows.length === 0) return;
  console.log(
    `\n${formatTable(
      heads,
      rows.map(({ name, cells }) => [name, ...cells]),
    )}`,
  );
}

interface Run {
  readonly names: readonly string[];
  readonly suites: readonly SuiteName[];
  readonly minutes: number;
}

/** In test/vm/results.json, which has to be there when not everything was run. */
function record(kernels: readonly KernelResult[], { names, suites, minutes }: Run): void {
  const date = new Date().toISOString();
  const isWhole = names.length === KERNELS.length && suites.length === SUITES.length;
  const result = isWhole
    ? resultOf(kernels, date, minutes)
    : withLaterRun(
        JSON.parse(readFileSync(RESULTS, 'utf8')),
        { date, kernels: names, suites },
        kernels,
      );
  writeFileSync(RESULTS, resultJson(result));
}

function resultOf(kernels: readonly KernelResult[], date: string, minutes: number): Result {
  return {
    date,
    minutes: rounded(minutes),
    processorMinutes: rounded(processorMinutes()),
    processors: os.availableParallelism(),
    qemu: version(findProgram(process.env.SIGNALBOX_QEMU ?? QEMU) ?? QEMU),
    clang: version('clang'),
    node: process.version,
    kernels,
    later: [],
  };
}

/** @returns what this process's children have used that have ended: guests, above all. */
function processorMinutes(): number {
  // proc(5): cutime and cstime, 14 and 15 words after the name, in hundredths of a second.
  const [, words = ''] = readFileSync('/proc/self/stat', 'utf8').split(') ');
  const [user = 0, system = 0] = words.split(' ').slice(13, 15).map(Number);
  return (user + system) / 6_000;
}

function rounded(minutes: number): number {
  return Math.round(minutes * 10) / 10;
}

/** @returns the first line of what it says of its version. */
function version(program: string): string {
  return execFileSync(program, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? '';
}
