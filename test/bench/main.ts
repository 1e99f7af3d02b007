#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `npm run bench`: measurements on the reader's own machine, in network namespaces. A file for each
// subcommand. Exit codes: 2 for usage, 1 when it could not be run to its end.

import { Command } from 'commander';
import { runCommandLine } from '../../scripts/command-line.ts';
import { compareCommand } from './report/compare-command.ts';
import { reportCommand } from './report/report-command.ts';
import { runCommand } from './run-command.ts';

const program = new Command('bench').description(
  'Measures Signalbox on this machine, beside kube-proxy and beside no proxy at all. Needs root.',
);
program.addCommand(runCommand(), { isDefault: true });
for (const command of [compareCommand(), reportCommand()]) program.addCommand(command);

await runCommandLine(program);
