// SPDX-License-Identifier: Apache-2.0
// How a command with subcommands runs, and what is said when it cannot: for `npm run bench` and `npm run cluster`.

import { type Command, CommanderError } from 'commander';
import { MendableError } from '../agent/errors.ts';

/**
 * Runs what the command line asks for. Sets the exit code: 2 for usage, an error's own where it says how to be mended.
 *
 * @param program its name stands before what goes wrong.
 */
export async function runCommandLine(program: Command): Promise<void> {
  program.showHelpAfterError('(see --help)').exitOverride();
  for (const command of program.commands) command.copyInheritedSettings(program);
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof MendableError) {
      console.error(`${program.name()}: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`);
      process.exitCode = error.exitCode;
    } else throw error;
  }
}
