// SPDX-License-Identifier: Apache-2.0
// Waits for what the cluster will bring about. The bound is far above need, because a cluster may be emulated and a
// hundred times slower than others: it is there so that a failure is told, not to judge how long something takes.

import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

const STEP_MS = 500;
const PATIENCE_MS = 8 * 60_000;

/** What a probe says that has not found what it looks for: why not. */
export class NotYet {
  readonly why: unknown;

  constructor(why: unknown) {
    this.why = why;
  }
}

/**
 * @param probe asked again until it gives anything but a NotYet. What it throws is why not, too: machines restart here.
 * @throws Error naming `what` and why not, as of the last time.
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | NotYet>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const answer = await probe().catch((error: unknown) => new NotYet(error));
    if (!(answer instanceof NotYet)) return answer;
    if (performance.now() > deadlineMs) {
      throw new Error(
        `did not happen within ${patienceMs / 1000} s: ${what}: ${describe(answer.why)}`,
      );
    }
    await sleep(STEP_MS);
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) {
    const cause = value.cause === undefined ? '' : describe(value.cause);
    return value.message.includes(cause) ? value.message : `${value.message}: ${cause}`;
  }
  return typeof value === 'string' ? value : inspect(value, { depth: 6, breakLength: 120 });
}
