// SPDX-License-Identifier: Apache-2.0
// Runs gates, as many at a time as there are processors, and says of each how it went.

import { availableParallelism } from 'node:os';
import { messageOf } from '../../agent/errors.ts';
import { printDetail, printEnded, printReproduce, showStatus } from '../progress.ts';
import type { Gate } from './gates.ts';

/** @returns the names of the gates that found problems. */
export async function runGates(gates: readonly Gate[]): Promise<readonly string[]> {
  const failed: string[] = [];
  const waiting = gates.values();
  const running = new Set<string>();

  async function work(): Promise<void> {
    for (const gate of waiting) {
      running.add(gate.name);
      showStatus([...running].join(', '));
      if (!(await runGate(gate))) failed.push(gate.name);
      running.delete(gate.name);
      showStatus([...running].join(', '));
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failed;
}

async function runGate(gate: Gate): Promise<boolean> {
  const startMs = performance.now();
  const problems = await gate.findProblems().catch((error: unknown) => [messageOf(error)]);
  const ok = problems.length === 0;
  printEnded({ name: gate.name, ok, durationMs: performance.now() - startMs });
  if (!ok) {
    printDetail(problems.join('\n'));
    printReproduce(gate.again);
  }
  return ok;
}
