#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: measurements on the reader's own machine, in network namespaces. A file for each
// subcommand. Exit codes: 2 for usage, 1 when it could not be run to its end.

import { Command, CommanderError } from 'commander';
import { MendableError } from '../../agent/errors.ts';
import { compareCommand } from './report/compare-command.ts';
import { reportCommand } from './report/report-command.ts';
import { runCommand } from './run-command.ts';

const program = new Command('bench')
  .description(
    'Measures Signalbox on this machine, beside kube-proxy and beside no proxy at all. Needs root.',
  )
  .showHelpAfterError('(see --help)')
  .exitOverride();
program.addCommand(runCommand().copyInheritedSettings(program), { isDefault: true });
for (const command of [compareCommand(), reportCommand()]) {
  program.addCommand(command.copyInheritedSettings(program));
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof MendableError) {
    console.error(`bench: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`);
    process.exitCode = error.exitCode;
  } else throw error;
}
