#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// `npm run cluster`: a real Kubernetes cluster without kube-proxy, on machines that can be reached by ssh, and the
// tests that need one. A file for each subcommand. Exit codes: 2 for usage, 1 when something failed.

import { Command } from 'commander';
import { runCommandLine } from '../../scripts/command-line.ts';
import { conformanceCommand } from './conformance-command.ts';
import { downCommand } from './down-command.ts';
import { inventoryCommand } from './inventory-command.ts';
import { statusCommand } from './status-command.ts';
import { testCommand } from './test-command.ts';
import { upCommand } from './up-command.ts';

const program = new Command('cluster').description(
  'Makes a Kubernetes cluster without kube-proxy of machines, and tests Signalbox there.',
);
for (const command of [
  inventoryCommand(),
  upCommand(),
  statusCommand(),
  testCommand(),
  conformanceCommand(),
  downCommand(),
]) {
  program.addCommand(command);
}

await runCommandLine(program);
