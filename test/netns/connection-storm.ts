// SPDX-License-Identifier: Apache-2.0
// Runs connection-storm.c: many short connections from few ports.

import { finished } from '../lab/run-command.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { compileProgram } from './compile-program.ts';
import type { TestNode } from './test-node.ts';

export interface Storm {
  readonly source: string;
  readonly firstPort: number;
  readonly ports: number;
  readonly address: string;
  readonly port: number;
  readonly count: number;
  /** How many connections at a time. */
  readonly flight: number;
  /** Who ends a connection: the backend with FIN, or the client with RST. */
  readonly end: 'bye' | 'reset';
}

export interface StormResult {
  readonly greeted: number;
  /** By errno. */
  readonly failed: Readonly<Record<string, number>>;
  /** SYNs that the network namespace has sent again meanwhile. */
  readonly retransmitted: number;
}

/** @param node whose end ends it. */
export async function runStorm(node: TestNode, place: Place, storm: Storm): Promise<StormResult> {
  const { source, firstPort, ports, address, port, count, flight, end } = storm;
  const program = await compileProgram('connection-storm.c', node.directory);
  const argv = [program, source, firstPort, ports, address, port, count, flight, end].map(String);
  const child = spawnInside(place, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { code, stdout, stderr } = await finished(child);
  if (code !== 0) throw new Error(`connection-storm: exit code ${code}: ${stderr}`);
  return JSON.parse(stdout) as StormResult;
}
