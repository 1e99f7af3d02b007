// SPDX-License-Identifier: Apache-2.0
// Runs a program to its end and collects what it says.

import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface CommandResult {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws Error with the program's own words when it ends with anything but 0. */
export async function runCommand(
  argv: readonly [string, ...string[]],
  input?: string,
): Promise<string> {
  const [program, ...args] = argv;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  // A program that ends before it has read everything says why on stderr: EPIPE adds nothing.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const { code, stdout, stderr } = await finished(child);
  if (code !== 0) {
    throw new Error(`${argv.join(' ')}: exit code ${code}: ${(stderr || stdout).trim()}`);
  }
  return stdout;
}

/** Waits for a child that was started with pipes. @throws when it could not be started. */
export async function finished(child: ChildProcess): Promise<CommandResult> {
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [stdout, stderr, code] = await Promise.all([
    child.stdout ? text(child.stdout) : '',
    child.stderr ? text(child.stderr) : '',
    ended,
  ]);
  return { code, stdout, stderr };
}
