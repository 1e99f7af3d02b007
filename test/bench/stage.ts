// SPDX-License-Identifier: Apache-2.0
// A part of a benchmark that takes its time: says what is under way, and how long it took.

import { printDetail, printEnded, showStatus } from '../../scripts/progress.ts';

/** Whoever waits for longer is told for what, where a line cannot be overwritten. */
const SAY_EVERY_MS = 2_000;

/** @param body gets a function that says how far it is. */
export async function stage<T>(
  name: string,
  body: (note: (text: string) => void) => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  let state = '';
  const text = () => (state ? `${name}: ${state}` : name);
  let said = '';
  const ticks = setInterval(() => {
    if (process.stdout.isTTY || said === text()) return;
    said = text();
    printDetail(`… ${said}`);
  }, SAY_EVERY_MS);
  const ended = (ok: boolean) => {
    clearInterval(ticks);
    printEnded({ name: name.padEnd(NAME_WIDTH), ok, durationMs: performance.now() - startMs });
  };
  showStatus(text());
  try {
    const result = await body((note) => {
      state = note;
      showStatus(text());
    });
    ended(true);
    return result;
  } catch (error) {
    ended(false);
    throw error;
  }
}

const NAME_WIDTH = 40;
