// SPDX-License-Identifier: Apache-2.0
// Waits for what another process or the kernel will bring about. Used by the tests beside it.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';

const LIMIT_MS = 10_000;
type Falsy = false | undefined | null | 0 | '';

/** Asserts that `what` happens within ten seconds. @returns the first truthy answer of `probe`. */
export async function eventually<T>(
  t: ExecutionContext,
  what: string,
  probe: () => T | Falsy,
): Promise<T> {
  for (let waited = 0; waited < LIMIT_MS; waited += 5) {
    const result = probe();
    if (result) {
      t.pass();
      return result;
    }
    await sleep(5);
  }
  throw new Error(`never happened: ${what}`);
}
