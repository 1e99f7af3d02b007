// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM leave nothing behind.

import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `close` when the process is told to end, then exits with process.exitCode if that is set, else
 * with the shell's code for the signal.
 *
 * @returns stops listening.
 */
export function exitOnSignals(close: () => Promise<void>): () => void {
  // Signals reach the main thread only; what a lab in a worker leaves, the next lab removes.
  if (!isMainThread) return () => {};
  const onSignal = (signal: (typeof SIGNALS)[number]) => {
    const exit = () => process.exit(process.exitCode ?? 128 + constants.signals[signal]);
    close().then(exit, (error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}
