// SPDX-License-Identifier: Apache-2.0
// Waits for what other processes will bring about.

import { setTimeout as sleep } from 'node:timers/promises';
import { patient } from './patience.ts';

const STEP_MS = 10;

type Falsy = false | undefined | null | 0 | '';

/**
 * @param probe asked again and again until its answer is truthy.
 * @throws Error naming `what` after `timeoutMs`, as this machine counts (patience.ts).
 */
export async function until<T>(
  what: string,
  probe: () => T | Falsy | Promise<T | Falsy>,
  timeoutMs = 10_000,
): Promise<T> {
  const withinMs = patient(timeoutMs);
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await sleep(STEP_MS);
  }
}
