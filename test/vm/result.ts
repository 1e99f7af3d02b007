// SPDX-License-Identifier: Apache-2.0
// What came of running the plan with each kernel, as test/vm/results.json has it and docs/kernels.md shows it, and how
// single outcomes become that. Pure.

import type { Outcome } from '../../scripts/testing/tally.ts';
import { SUITES, type SuiteName } from './plan.ts';

export interface Told {
  /** The test; of a file that broke beside its tests, the file. */
  readonly title: string;
  readonly reason: string;
}

/** Of a file of tests, or of what stands beside them in a suite. */
export interface FileResult {
  readonly suite: SuiteName;
  /** From the root of the project; or what was run in its place. */
  readonly file: string;
  readonly passed: number;
  readonly failed: readonly Told[];
  readonly skipped: readonly Told[];
  /** Why it was run a second time, which is what is told here. The first time, something had failed. */
  readonly secondTime?: string;
}

export interface ProgramResult {
  /** Of the object and of the program. */
  readonly name: string;
  readonly instructions: number;
  /** Instructions that the verifier went through, over all paths. */
  readonly verified: number;
  /** Bytes: of the program, then of each function that is not inlined. */
  readonly stack: readonly number[];
  readonly verificationUs: number;
}

/** What `signalbox doctor` has to say of the guest. */
export interface FindingResult {
  readonly id: string;
  readonly severity: string;
  readonly found: string;
}

export interface KernelResult {
  /** As `scripts/vm` takes it. */
  readonly name: string;
  /** The release of Debian. */
  readonly title: string;
  readonly release: string;
  readonly package: string;
  readonly version: string;
  readonly files: readonly FileResult[];
  readonly programs: readonly ProgramResult[];
  readonly findings: readonly FindingResult[];
}

/** A run of some kernels or suites, whose results have taken the place of those of the whole run. */
export interface LaterRun {
  /** ISO 8601. */
  readonly date: string;
  readonly kernels: readonly string[];
  readonly suites: readonly SuiteName[];
}

/** Of the last whole run, but for what `later` names. */
export interface Result {
  /** ISO 8601. */
  readonly date: string;
  readonly minutes: number;
  /** Minutes that processors have worked for it: what is left of `minutes` on a machine that does nothing else. */
  readonly processorMinutes: number;
  readonly processors: number;
  /** What the guests ran under, as it names itself. */
  readonly qemu: string;
  readonly clang: string;
  readonly node: string;
  readonly kernels: readonly KernelResult[];
  readonly later: readonly LaterRun[];
}

/** What a guest says while it runs, a line of JSON each. */
export type GuestEvent =
  | { readonly kind: 'outcome'; readonly suite: SuiteName; readonly outcome: Outcome }
  | { readonly kind: 'file'; readonly result: FileResult; readonly report: string }
  | { readonly kind: 'programs'; readonly programs: readonly ProgramResult[] }
  | { readonly kind: 'findings'; readonly findings: readonly FindingResult[] }
  | { readonly kind: 'done' };

const BETWEEN = ' › ';

/**
 * What became of each file of a run. What is said of the run as a whole counts for the files of which nothing is known,
 * or for the last; a file of which nothing is said at all has failed.
 */
export function fileResults(
  suite: SuiteName,
  files: readonly string[],
  outcomes: readonly Outcome[],
): FileResult[] {
  const fileOf = ({ subject }: Outcome) =>
    files.find((file) => subject === file || subject.startsWith(file + BETWEEN));
  const ofRun = outcomes.filter((outcome) => fileOf(outcome) === undefined);
  const known = Map.groupBy(outcomes, (outcome) => fileOf(outcome));
  const isUnknown = (file: string) => !known.has(file);
  const blamed = files.some(isUnknown) ? files.filter(isUnknown) : files.slice(-1);
  return files.map((file) => {
    const own = [...(known.get(file) ?? []), ...(blamed.includes(file) ? ofRun : [])];
    const result = fileResult(suite, file, own);
    return own.length > 0
      ? result
      : { ...result, failed: [{ title: file, reason: 'none of its tests was run' }] };
  });
}

/** What kernels before a release have not: the only reason to skip in a guest. */
const TOO_OLD = /^needs Linux /;

/** @param all those of the file alone. A test that failed more than once counts once. */
export function fileResult(suite: SuiteName, file: string, all: readonly Outcome[]): FileResult {
  const outcomes = all.map(strictly);
  const told = (verdict: Outcome['verdict']) => {
    const alike = outcomes
      .filter((outcome) => outcome.verdict === verdict)
      .map(({ subject, reason = '' }) => ({
        title: subject.startsWith(file + BETWEEN)
          ? subject.slice(file.length + BETWEEN.length)
          : subject,
        reason,
      }));
    return [...new Map(alike.map((each) => [each.title, each])).values()];
  };
  const passed = outcomes.filter(({ verdict }) => verdict === 'passed').length;
  return { suite, file, passed, failed: told('failed'), skipped: told('skipped') };
}

function strictly(outcome: Outcome): Outcome {
  const { verdict, subject, reason = '' } = outcome;
  return verdict !== 'skipped' || TOO_OLD.test(reason)
    ? outcome
    : { verdict: 'failed', subject, reason: `may not be skipped in a guest: ${reason}` };
}

/** @returns the results of the same kernel's guests as one, in the order of the plan. */
export function mergeFiles(parts: readonly (readonly FileResult[])[]): FileResult[] {
  return parts.flat().sort((a, b) => SUITES.indexOf(a.suite) - SUITES.indexOf(b.suite));
}

/**
 * @param run of some kernels or suites.
 * @returns the recorded result with that run's in it. @throws Error when it has not been run with the same kernel.
 */
export function withLaterRun(
  recorded: Result,
  run: LaterRun,
  kernels: readonly KernelResult[],
): Result {
  const isRun = ({ suite }: FileResult) => run.suites.includes(suite);
  for (const { name, version } of kernels) {
    const before = recorded.kernels.find((kernel) => kernel.name === name)?.version;
    if (before !== version)
      throw new Error(`kernel ${name} is ${version} now, and was ${before}: run all of it anew`);
  }
  return {
    ...recorded,
    kernels: recorded.kernels.map((old) => {
      const found = kernels.find(({ name }) => name === old.name);
      if (found === undefined) return old;
      return {
        ...old,
        files: mergeFiles([old.files.filter((file) => !isRun(file)), found.files]),
        programs: run.suites.includes('load') ? found.programs : old.programs,
        findings: run.suites.includes('doctor') ? found.findings : old.findings,
      };
    }),
    later: [...recorded.later.filter((before) => !covers(run, before)), run],
  };
}

/** Whether nothing is left of what an earlier run has put there. */
function covers(run: LaterRun, earlier: LaterRun): boolean {
  return (
    earlier.kernels.every((kernel) => run.kernels.includes(kernel)) &&
    earlier.suites.every((suite) => run.suites.includes(suite))
  );
}

export interface Sums {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Files that were run a second time. */
  readonly secondTime: number;
}

export function sumsOf(files: readonly FileResult[]): Sums {
  const sum = (of: (file: FileResult) => number) => files.reduce((all, file) => all + of(file), 0);
  return {
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed.length),
    skipped: sum(({ skipped }) => skipped.length),
    secondTime: sum(({ secondTime }) => (secondTime === undefined ? 0 : 1)),
  };
}

/** The text of results.json: short things on one line, so that a change of it can be read. */
export function resultJson(result: Result): string {
  const text = JSON.stringify(result, undefined, 1);
  return `${text.replace(/\[\n\s*\d[^\]]*\]/g, (list) => list.replace(/\s+/g, ' '))}\n`;
}
