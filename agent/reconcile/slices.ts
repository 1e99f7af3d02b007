// SPDX-License-Identifier: Apache-2.0
// Long work in slices, with the event loop's turn between them: a change of the node's zone concerns every
// Service, and status, metrics and watches must not wait until the last of them is planned.

import { setImmediate } from 'node:timers/promises';

/** Nobody notices that much; a setImmediate() costs a thousandth of it. */
const SLICE_MS = 10;

/**
 * Runs `work` to its end. Where it yields it may be interrupted, for whatever else the process has to do.
 *
 * @param rest what is done between two slices.
 */
export async function inSlices<T>(
  work: Generator<void, T>,
  rest: () => Promise<void> = setImmediate,
): Promise<T> {
  let begunMs = performance.now();
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - begunMs < SLICE_MS) continue;
    await rest();
    begunMs = performance.now();
  }
}

/** `work`, until `signal` aborts: then nothing more of it runs. @returns undefined when it was not done by then. */
export function* untilAborted<T>(
  work: Generator<void, T>,
  signal: AbortSignal,
): Generator<void, T | undefined> {
  while (!signal.aborted) {
    const { done, value } = work.next();
    if (done) return value;
    yield;
  }
  // For what it has opened.
  work.return(undefined as never);
  return undefined;
}
