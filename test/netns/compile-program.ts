// SPDX-License-Identifier: Apache-2.0
// The C programs beside the tests: compiled when they are needed, once per folder.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../lab/run-command.ts';

/** @param source a file beside this one. @param directory where the program goes. @returns its path. */
export async function compileProgram(source: string, directory: string): Promise<string> {
  const program = path.join(directory, path.basename(source, '.c'));
  if (existsSync(program)) return program;
  const file = fileURLToPath(new URL(source, import.meta.url));
  await runCommand(['cc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, file]);
  return program;
}
