// SPDX-License-Identifier: Apache-2.0
// What to show of the console of a guest that died: the reason, and not only the registers that follow it. Pure.

const TROUBLE = /Kernel panic|BUG:|Oops:|double fault|initramfs: /;
/** What led there, before the first line of trouble. */
const BEFORE = 5;
const LINES = 40;

/** @returns the lines from the first trouble on, or else the last ones; at most 40. */
export function tailOf(console: string): string {
  const lines = console.replaceAll('\r', '').trimEnd().split('\n');
  const trouble = lines.findIndex((line) => TROUBLE.test(line));
  const from = trouble < 0 ? Math.max(0, lines.length - LINES) : Math.max(0, trouble - BEFORE);
  return lines.slice(from, from + LINES).join('\n');
}
