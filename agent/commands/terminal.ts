// SPDX-License-Identifier: Apache-2.0
// What the commands print: only here and in standard-output.ts. Whatever it is, a terminal can only show it.

import { printableJson, printableLines } from '../printable.ts';

/** Lines to standard output. */
export function say(text: string): void {
  console.log(printableLines(text));
}

/** Lines to standard error, behind the program's name. */
export function complain(text: string): void {
  console.error(`signalbox: ${printableLines(text)}`);
}

/** A value as JSON to standard output, over several lines. */
export function sayJson(value: unknown): void {
  console.log(printableJson(JSON.stringify(value, undefined, 2)));
}
