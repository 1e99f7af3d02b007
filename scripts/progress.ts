// SPDX-License-Identifier: Apache-2.0
// What a person sees while checks run: one line for each that ended, and on a terminal one line,
// overwritten, for what is under way. Colours only where the terminal shows them; NO_COLOR is honoured.

import { styleText } from 'node:util';

const NAME_WIDTH = 24;
const INDENT = '    ';
const DEFAULT_WIDTH = 80;

export interface Ended {
  readonly name: string;
  readonly ok: boolean;
  readonly durationMs: number;
  /** Beside the time, on the same line. */
  readonly note?: string;
}

/** Prints the line of something that ended. */
export function printEnded({ name, ok, durationMs, note = '' }: Ended): void {
  clearStatus();
  const mark = ok ? styleText('green', '✓') : styleText('red', '✗');
  const seconds = `${(durationMs / 1000).toFixed(1)} s`.padStart(7);
  console.log(`${mark} ${name.padEnd(NAME_WIDTH)}${seconds}  ${note}`.trimEnd());
}

/** Prints what belongs to the line above, indented. */
export function printDetail(text: string): void {
  clearStatus();
  console.log(text.trimEnd().replace(/^(?=.)/gm, INDENT));
}

/** Prints the command that shows a failure again. */
export function printReproduce(command: string): void {
  printDetail(`${styleText('dim', 'again:')} ${command}`);
}

/** Shows what is under way. Does nothing where lines cannot be overwritten. */
export function showStatus(text: string): void {
  if (!process.stdout.isTTY) return;
  clearStatus();
  // A terminal that does not tell how wide it is, tells 0.
  const width = process.stdout.columns || DEFAULT_WIDTH;
  process.stdout.write(styleText('dim', text.slice(0, width - 1)));
}

function clearStatus(): void {
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K');
}
