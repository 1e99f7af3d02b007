// SPDX-License-Identifier: Apache-2.0
// Waits for what another process or the kernel will bring about, and counts it as an assertion. Used by the
// tests beside it.

import type { ExecutionContext } from 'ava';
import { until } from '../../lab/until.ts';

/** Asserts that `what` happens. @returns the first truthy answer of `probe`. */
export async function eventually<T>(
  t: ExecutionContext,
  what: string,
  probe: Parameters<typeof until<T>>[1],
): Promise<T> {
  const answer = await until(what, probe);
  t.pass();
  return answer;
}
