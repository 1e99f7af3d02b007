// SPDX-License-Identifier: Apache-2.0
// Runs a program of a build, to its end.

import { runCommand } from '../command.ts';

/** @returns what it said. @throws Error with all of that when it fails. */
export async function run(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const { ok, output } = await runCommand(command, args, cwd === undefined ? {} : { cwd });
  if (!ok) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
  return output;
}
