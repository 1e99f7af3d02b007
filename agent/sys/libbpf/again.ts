// SPDX-License-Identifier: Apache-2.0
// Refusals that say nothing but "not now": a signal came, a bucket was locked. Asked again at once, a few times.

import { EAGAIN, EBUSY, EINTR } from './kernel-error.ts';

/** How often a call is made at most. */
export const TRIES = 4;

/** @param result of a call: 0, or an errno below it. */
export function isPassing(result: number): boolean {
  return result === -EINTR || result === -EAGAIN || result === -EBUSY;
}

/** @returns what `call` answered the last time. */
export function again(call: () => number): number {
  let result = call();
  for (let tries = 1; isPassing(result) && tries < TRIES; tries++) result = call();
  return result;
}

/** {@link again}, where the call waits elsewhere. */
export async function againAndWait(call: () => Promise<number>): Promise<number> {
  let result = await call();
  for (let tries = 1; isPassing(result) && tries < TRIES; tries++) result = await call();
  return result;
}
