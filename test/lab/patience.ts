// SPDX-License-Identifier: Apache-2.0
// Deadlines, which only find what hangs, are longer on a machine that is slow: SIGNALBOX_TEST_PATIENCE says how many times.
// test/vm sets it in its guests, which are emulated.

const TIMES = Number(process.env.SIGNALBOX_TEST_PATIENCE ?? '1');

/** @returns how long to wait on this machine, of what is enough elsewhere. Milliseconds. */
export function patient(deadlineMs: number): number {
  return deadlineMs * TIMES;
}
