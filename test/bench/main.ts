#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- BENCHMARK`: measurements on the reader's own machine, in network namespaces. One
// file per benchmark. Exit codes: 2 for usage, 1 when a benchmark could not be run to its end.

import { Command, CommanderError } from 'commander';
import { MendableError } from '../../agent/errors.ts';
import { command as clusterIp } from './clusterip.ts';
import { command as nodePort } from './nodeport.ts';

const program = new Command('bench')
  .description('Measures Signalbox on this machine. Needs root and about a minute and a half.')
  .showHelpAfterError('(see --help)')
  .exitOverride();
for (const benchmark of [clusterIp(), nodePort()]) {
  program.addCommand(benchmark.copyInheritedSettings(program));
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
