// SPDX-License-Identifier: Apache-2.0
// Runs a program and keeps what it says. For the scripts that show output only when it is needed.

import { spawn } from 'node:child_process';
import path from 'node:path';

export const ROOT = path.join(import.meta.dirname, '..');

/** The project's own Node, compiler and linter come before the machine's. */
export const TOOL_ENV: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${path.join(ROOT, 'node_modules/.bin')}:${process.env.PATH ?? ''}`,
};

export interface CommandResult {
  readonly ok: boolean;
  /** Standard output and standard error, in the order in which they came. */
  readonly output: string;
}

/** Runs a program in the project's root folder. A program that cannot be started is not ok and says why. */
export function runCommand(
  command: string,
  args: readonly string[],
  { input = '', cwd = ROOT }: { input?: string; cwd?: string } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: TOOL_ENV });
    let output = '';
    const keep = (chunk: string) => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.stdin.on('error', () => {}); // It may end without reading; its exit code tells.
    child.stdin.end(input);
    child.on('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/** Runs a program in a folder, by default the project's. @returns what it said. @throws Error with all of that when it fails. */
export async function run(command: string, args: readonly string[], cwd = ROOT): Promise<string> {
  const { ok, output } = await runCommand(command, args, { cwd });
  if (!ok) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
  return output;
}
