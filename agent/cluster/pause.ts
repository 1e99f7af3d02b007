// SPDX-License-Identifier: Apache-2.0
// Waiting that ends at once when the agent is told to stop. Used by the sources.

/** Resolves after `ms`, or as soon as `signal` aborts; never rejects, and leaves nothing behind. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish);
  });
}
