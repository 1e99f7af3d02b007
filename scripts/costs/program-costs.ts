// SPDX-License-Identifier: Apache-2.0
// What each BPF program costs the verifier and the kernel's stack: as it is written in bpf/costs.json, and as
// it is compared with a new measurement. Pure.

import { formatTable } from '../../agent/commands/table.ts';

/** Far below the kernel's limit (1,000,000): room for kernels whose verifier looks at more, and loads stay fast. */
export const MOST_VERIFIED = 100_000;
/** The kernel's own limit (MAX_BPF_STACK), of which all functions that call each other have one. */
export const MOST_STACK = 512;

export const RECORD_COMMAND = 'node scripts/costs.ts --write';

export interface ProgramCost {
  /** As compiled, with the functions that the program calls. */
  readonly instructions: number;
  /** Instructions that the verifier went through, over all paths. */
  readonly verified: number;
  /** Bytes: of the program, then of each function that is not inlined. */
  readonly stack: readonly number[];
}

/** Where figures are the same each time. */
export interface Circumstances {
  readonly kernel: string;
  readonly architecture: string;
  readonly clang: string;
}

export interface ProgramCosts {
  readonly measuredOn: Circumstances;
  /** By name of the object and of the program. */
  readonly objects: Readonly<Record<string, Readonly<Record<string, ProgramCost>>>>;
}

/** The text of bpf/costs.json: a line for each program, sorted. */
export function formatCosts({ measuredOn, objects }: ProgramCosts): string {
  const blocks = sorted(objects).map(([object, programs]) => {
    const lines = sorted(programs).map(
      ([program, { instructions, verified, stack }]) =>
        `      ${JSON.stringify(program)}: { "instructions": ${instructions}, "verified": ${verified}, "stack": [${stack.join(', ')}] }`,
    );
    return `    ${JSON.stringify(object)}: {\n${lines.join(',\n')}\n    }`;
  });
  const { kernel, architecture, clang } = measuredOn;
  const on = JSON.stringify({ kernel, architecture, clang }, undefined, 2).replace(/\n/g, '\n  ');
  return `{\n  "measuredOn": ${on},\n  "objects": {\n${blocks.join(',\n')}\n  }\n}\n`;
}

/** @returns what is wrong, ready to print; nothing when all is well. */
export function costProblems(recorded: ProgramCosts, measured: ProgramCosts): string[] {
  const problems = overLimits(measured);
  const isSamePlace = differencesOf(recorded.measuredOn, measured.measuredOn).length === 0;
  const changed = rowsOf(recorded, measured).filter(
    ({ before, after }) =>
      before === undefined || after === undefined || (isSamePlace && !isSame(before, after)),
  );
  if (changed.length > 0) {
    const rows = changed.map(({ name, before, after }) => [
      name,
      change(before?.instructions, after?.instructions),
      change(before?.verified, after?.verified),
      change(before?.stack.join('+'), after?.stack.join('+')),
    ]);
    const heads = ['PROGRAM', 'INSTRUCTIONS', 'VERIFIED', 'STACK'];
    problems.push(
      `bpf/costs.json says otherwise of these programs; when that is meant, record them anew: ${RECORD_COMMAND}\n${formatTable(heads, rows)}`,
    );
  }
  return problems;
}

function overLimits({ objects }: ProgramCosts): string[] {
  return programsOf(objects).flatMap(([name, { verified, stack }]) => [
    ...(verified < MOST_VERIFIED
      ? []
      : [
          `${name}: the verifier goes through ${verified} instructions, not below ${MOST_VERIFIED}`,
        ]),
    ...(Math.max(...stack) <= MOST_STACK
      ? []
      : [`${name}: a function has ${Math.max(...stack)} bytes of stack, above ${MOST_STACK}`]),
  ]);
}

interface Row {
  readonly name: string;
  readonly before: ProgramCost | undefined;
  readonly after: ProgramCost | undefined;
}

/** Every program of either, sorted. */
function rowsOf(recorded: ProgramCosts, measured: ProgramCosts): Row[] {
  const [before, after] = [recorded, measured].map(
    ({ objects }) => new Map(programsOf(objects)),
  ) as [Map<string, ProgramCost>, Map<string, ProgramCost>];
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .map((name) => ({ name, before: before.get(name), after: after.get(name) }));
}

function programsOf(objects: ProgramCosts['objects']): [string, ProgramCost][] {
  return Object.entries(objects).flatMap(([object, programs]) =>
    Object.entries(programs).map(([program, cost]): [string, ProgramCost] => [
      `${object} ${program}`,
      cost,
    ]),
  );
}

/** @returns the fields in which they differ. */
function differencesOf(one: Circumstances, other: Circumstances): string[] {
  return (['kernel', 'architecture', 'clang'] as const).filter((key) => one[key] !== other[key]);
}

function isSame(one: ProgramCost, other: ProgramCost): boolean {
  return (
    one.instructions === other.instructions &&
    one.verified === other.verified &&
    one.stack.join() === other.stack.join()
  );
}

function change(before?: number | string, after?: number | string): string {
  if (before === after) return `${before}`;
  return `${before ?? 'none'} -> ${after ?? 'none'}`;
}

function sorted<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1));
}
