// SPDX-License-Identifier: Apache-2.0
// ping(8) for a client outside of the cluster: Node opens no sockets for ICMP, and not every machine has the program.

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab.ts';
import type { Outsider } from '../outsider.ts';
import { runCommand } from '../run-command.ts';

const SOURCE = fileURLToPath(new URL('../apps/ping.c', import.meta.url));
const DEFAULT_PATIENCE_MS = 1_000;

/** By the lab's directory, which goes with it. */
const programs = new Map<string, Promise<string>>();

export interface PingResult {
  /** Who answered; undefined: nobody did. */
  readonly from?: string;
  readonly ms?: number;
}

/** One echo request. @throws Error when it cannot be made. */
export async function ping(
  { directory }: Lab,
  client: Outsider,
  address: string,
  patienceMs = DEFAULT_PATIENCE_MS,
): Promise<PingResult> {
  const program = programs.get(directory) ?? compile(directory);
  programs.set(directory, program);
  const { code, stdout, stderr } = await client.run([await program, address, String(patienceMs)]);
  if (code !== 0 && stderr) throw new Error(stderr.trim());
  const [from, ms] = stdout.trim().split(' ');
  return from ? { from, ms: Number(ms) } : {};
}

async function compile(directory: string): Promise<string> {
  const program = path.join(directory, 'ping');
  await runCommand(['cc', '-O2', '-o', program, SOURCE]);
  return program;
}
