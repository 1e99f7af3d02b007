// SPDX-License-Identifier: Apache-2.0
// When an agent that was started is at work: it says so in its log. For the lab's agents and those of tests.

import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { patient } from './patience.ts';

const READY_WITHIN_MS = 30_000;
const LINES_TO_QUOTE = 5;

/**
 * Reads what `agent` prints, also after it is ready.
 *
 * @param name for messages.
 * @param onLine given each line.
 * @param withinMs how long it may take.
 * @returns once everything is programmed and the programs are attached.
 * @throws Error with the last lines, when it ends before that or takes too long.
 */
export function untilReady(
  agent: ChildProcess,
  name: string,
  onLine: (line: string) => void,
  withinMs = READY_WITHIN_MS,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const fail = (what: string) => reject(new Error(`${name} ${what}:\n${said.join('\n')}`));
    const timer = setTimeout(() => fail('is not ready in time'), patient(withinMs));
    const settle = (end: () => void) => {
      clearTimeout(timer);
      end();
    };
    agent.once('error', (error) => settle(() => fail(`cannot start (${error.message})`)));
    agent.once('exit', (code, signal) =>
      settle(() => fail(`ended (${signal ?? code}) before it was ready`)),
    );
    for (const stream of [agent.stdout, agent.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) => {
        onLine(line);
        said.push(line);
        if (said.length > LINES_TO_QUOTE) said.shift();
        if (isReadyLine(line)) settle(resolve);
      });
    }
  });
}

function isReadyLine(line: string): boolean {
  if (!line.includes('"ready"')) return false;
  try {
    return (JSON.parse(line) as { msg?: unknown }).msg === 'ready';
  } catch {
    return false;
  }
}
