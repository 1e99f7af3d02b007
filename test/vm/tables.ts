// SPDX-License-Identifier: Apache-2.0
// The rows that a result is shown in: at the end of `npm run test:kernels`, and in docs/kernels.md. Pure.

import { SUITES } from './plan.ts';
import { type FileResult, type KernelResult, type Sums, sumsOf, type Told } from './result.ts';

/** What was run, and what came of it with each kernel. */
export interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

/** @returns a row for each file, in the order of the plan, and their sum. */
export function testRows(kernels: readonly KernelResult[]): Row[] {
  const rows = SUITES.flatMap((suite) => {
    const files = kernels.flatMap((kernel) => kernel.files.filter((file) => file.suite === suite));
    return [...new Set(files.map(({ file }) => file))].map((file) => ({
      name: file,
      cells: kernels.map((kernel) => cell(kernel.files.filter((result) => result.file === file))),
    }));
  });
  return [...rows, { name: 'all', cells: kernels.map(({ files }) => cell(files)) }];
}

/** @returns how many passed, and how many did not: `77`, `70, 7 skipped`, `1 FAILED of 77`. */
function cell(files: readonly FileResult[]): string {
  if (files.length === 0) return '-';
  const { passed, failed, skipped, secondTime } = sumsOf(files);
  const words = [
    failed > 0 ? `${failed} FAILED of ${passed + failed}` : `${passed}`,
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ].join(', ');
  return secondTime > 0 ? `${words} (second attempt)` : words;
}

/** @returns for each program how many instructions it has, how many the verifier of each kernel went through, and how long that took. */
export function programRows(kernels: readonly KernelResult[]): Row[] {
  const names = new Set(kernels.flatMap(({ programs }) => programs.map(({ name }) => name)));
  return [...names].map((name) => {
    const found = kernels.map(({ programs }) => programs.find((program) => program.name === name));
    const instructions = found.find((program) => program !== undefined)?.instructions;
    return {
      name,
      cells: [
        grouped(instructions ?? 0),
        ...found.map((program) =>
          program === undefined
            ? '-'
            : `${grouped(program.verified)} / ${grouped(Math.round(program.verificationUs / 1000))} ms`,
        ),
      ],
    };
  });
}

/** @returns the reasons for which tests were skipped, and how many with each kernel. */
export function skipRows(kernels: readonly KernelResult[]): Row[] {
  const skips = kernels.map(({ files }) => files.flatMap(({ skipped }) => skipped));
  // The release is that of the column.
  const words = ({ reason }: Told) => reason.replace(/, has .*/, '');
  return [...new Set(skips.flat().map(words))].map((reason) => ({
    name: reason,
    cells: skips.map((told) => `${told.filter((skip) => words(skip) === reason).length}`),
  }));
}

/** What was run a second time, with each kernel and why. */
export function secondAttempts(kernels: readonly KernelResult[]): string[] {
  return kernels.flatMap(({ name, files }) =>
    files.flatMap(({ file, secondTime }) =>
      secondTime === undefined ? [] : `${name}: ${file}: ${secondTime}`,
    ),
  );
}

/** `1,234 passed, 0 failed, 5 skipped`. */
export function summary({ passed, failed, skipped }: Sums): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

export function grouped(number: number): string {
  return number.toLocaleString('en');
}
