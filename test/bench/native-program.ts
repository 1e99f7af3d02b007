// SPDX-License-Identifier: Apache-2.0
// Compiles the programs that measure: what takes microseconds is not measured from JavaScript.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { EnvironmentError } from '../../agent/errors.ts';

const COMPILERS = ['cc', 'clang'];
const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];

/** Compiles NAME.c of this folder. @returns the program, in `directory`. @throws EnvironmentError */
export function compileProgram(name: string, directory: string): string {
  const program = path.join(directory, name);
  const source = path.join(import.meta.dirname, `${name}.c`);
  for (const compiler of COMPILERS) {
    const { status, error, stderr } = spawnSync(compiler, [...FLAGS, '-o', program, source], {
      encoding: 'utf8',
    });
    if (status === 0) return program;
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') continue;
    throw new EnvironmentError(`${compiler} cannot compile ${source}:\n${error ?? stderr}`);
  }
  throw new EnvironmentError(`no C compiler (${COMPILERS.join(', ')}) was found`, {
    hint: 'install one: apt-get install gcc libc6-dev (Debian, Ubuntu)',
  });
}
