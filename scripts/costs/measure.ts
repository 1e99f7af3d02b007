// SPDX-License-Identifier: Apache-2.0
// Loads every object of bpf/build and asks the kernel what its programs cost. Nothing is attached or pinned.
// For the command that records costs and the test that compares them.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { EnvironmentError } from '../../agent/errors.ts';
import type { Circumstances, ProgramCost, ProgramCosts } from './program-costs.ts';

const SOURCE = path.join(import.meta.dirname, 'load-object.c');
const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror'];

/** What is only shown: it depends on the processor too. */
export interface LoadedProgram {
  /** Of the object and of the program. */
  readonly name: string;
  /** Bytes. */
  readonly translated: number;
  /** Bytes. */
  readonly jited: number;
  /** How long the verifier took. */
  readonly verificationUs: number;
}

export interface Measurement {
  readonly costs: ProgramCosts;
  readonly loaded: readonly LoadedProgram[];
}

/**
 * @param objects paths of compiled objects.
 * @throws EnvironmentError when one does not load: not root, an older kernel, a program that the verifier refuses.
 */
export function measureCosts(objects: readonly string[]): Measurement {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'signalbox-costs-'));
  try {
    const program = path.join(directory, 'load-object');
    run('cc', [...FLAGS, '-o', program, SOURCE, '-lbpf'], 'install gcc and libbpf-dev');
    const lines = run(program, objects, 'run as root').trimEnd().split('\n').map(parseLine);
    const byObject = Map.groupBy(lines, ({ object }) => object);
    const costs = [...byObject].map(([object, programs]) => [
      object,
      Object.fromEntries(programs.map(({ name, cost }) => [name, cost])),
    ]);
    return {
      costs: { measuredOn: circumstances(), objects: Object.fromEntries(costs) },
      loaded: lines.map(({ object, name, cost: _, ...loaded }) => ({
        name: `${object} ${name}`,
        ...loaded,
      })),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function circumstances(): Circumstances {
  const clang = run('clang', ['--version'], 'install clang');
  return {
    kernel: os.release(),
    architecture: os.machine(),
    clang: /version (\S+)/.exec(clang)?.[1] ?? clang.trim(),
  };
}

/** A line of load-object.c. */
function parseLine(line: string) {
  const [object = '', name = '', ...figures] = line.split(' ');
  const [instructions = 0, verified = 0, translated = 0, jited = 0] = figures.map(Number);
  const stack = (figures[4] ?? '').split('+').map(Number);
  const cost: ProgramCost = { instructions, verified, stack };
  const verificationUs = Number(figures[5]);
  return { object: path.basename(object), name, cost, translated, jited, verificationUs };
}

/** @returns what it says. @throws EnvironmentError with its own words. */
function run(command: string, args: readonly string[], hint: string): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string };
    throw new EnvironmentError(`${path.basename(command)}: ${(stderr || message).trim()}`, {
      cause,
      hint,
    });
  }
}
