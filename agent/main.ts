#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `signalbox` program: finds the subcommand, runs it, turns what goes wrong into one line and an exit code
// (2 for usage, 1 for the environment).

import { Command, CommanderError } from 'commander';
import { complain } from './commands/terminal.ts';
import { MendableError } from './errors.ts';
import { printableLines } from './printable.ts';
import { VERSION } from './version.ts';

const program = new Command('signalbox')
  .description('Kubernetes Services in the kernel: a kube-proxy replacement, next to any CNI.')
  .version(VERSION)
  .showHelpAfterError('(see --help)')
  .configureOutput({ outputError: (text, write) => write(printableLines(text)) })
  .exitOverride();

/** Loaded on demand: a look at the tables should not pay for the agent's libraries. */
const COMMANDS = [
  ['agent', () => import('./commands/agent.ts')],
  ['status', () => import('./commands/status.ts')],
  ['services', () => import('./commands/services.ts')],
  ['backends', () => import('./commands/backends.ts')],
  ['flows', () => import('./commands/flows.ts')],
  ['affinity', () => import('./commands/affinity.ts')],
  ['explain', () => import('./commands/explain.ts')],
  ['doctor', () => import('./commands/doctor.ts')],
  ['cleanup', () => import('./commands/cleanup.ts')],
] as const;

try {
  const wanted = process.argv[2];
  const chosen = COMMANDS.filter(([name]) => name === wanted);
  for (const [, load] of chosen.length ? chosen : COMMANDS) {
    program.addCommand((await load()).command().copyInheritedSettings(program));
  }
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof MendableError)) throw error;
  complain(`${error.message}${error.hint ? `\n  ${error.hint}` : ''}`);
  return error.exitCode;
}
