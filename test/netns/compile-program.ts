// SPDX-License-Identifier: Apache-2.0
// The C programs beside the tests: compiled when they are needed, once per folder. test/vm has them compiled before a guest
// is booted, where that would take a tenth of all time.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../lab/run-command.ts';

const programs = new Map<string, Promise<string>>();

/** @param source a file beside this one. @param directory where the program goes. @returns its path. */
export function compileProgram(source: string, directory: string): Promise<string> {
  const name = path.basename(source, '.c');
  const ready = path.join(process.env.SIGNALBOX_TEST_PROGRAMS ?? '', name);
  if (path.isAbsolute(ready) && existsSync(ready)) return Promise.resolve(ready);
  const program = path.join(directory, name);
  const compiled = programs.get(program) ?? compile(source, program);
  programs.set(program, compiled);
  return compiled;
}

async function compile(source: string, program: string): Promise<string> {
  const file = fileURLToPath(new URL(source, import.meta.url));
  await runCommand(['cc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, file]);
  return program;
}
