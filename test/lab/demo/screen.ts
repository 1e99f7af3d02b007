// SPDX-License-Identifier: Apache-2.0
// What the person at the demo sees. Colours and overwritten lines only on a terminal.

import { styleText } from 'node:util';

const INDENT = '   ';
/** Whoever waits for longer is told for what. */
const PATIENCE_MS = 2_000;
const TICK_MS = 1_000;

type Style = Parameters<typeof styleText>[0];

export function printLine(text = ''): void {
  clearStatus();
  console.log(text);
}

export function printHeading(text: string): void {
  printLine(`\n${paint('bold', text)}`);
}

/** What is about to be shown, and why it matters. */
export function printNote(text: string): void {
  printLine(`${INDENT}${paint('dim', text)}`);
}

/** Something that is done: to the cluster, or by somebody in it. */
export function printAction(text: string): void {
  printLine(`${INDENT}${paint('cyan', `→ ${text}`)}`);
}

/** A program that is run, as one would type it. */
export function printCommand(text: string): void {
  printLine(`${INDENT}${paint('cyan', `$ ${text}`)}`);
}

/** What a program said. */
export function printOutput(text: string): void {
  printLine(text.trimEnd().replace(/^(?=.)/gm, `${INDENT}  `));
}

export function printVerdict(ok: boolean, text: string): void {
  printLine(`${INDENT}${ok ? paint('green', '✓') : paint('red', '✗')} ${text}`);
}

/** Waits for `work`; from two seconds on it is said, each second, what for. */
export async function showWaiting<T>(what: string, work: Promise<T>): Promise<T> {
  const begun = Date.now();
  const say = () => {
    const text = `${INDENT}… ${what} (${Math.round((Date.now() - begun) / 1000)} s)`;
    clearStatus();
    if (process.stdout.isTTY) process.stdout.write(paint('dim', text));
    else console.log(text);
  };
  let ticks: NodeJS.Timeout | undefined;
  const patience = setTimeout(() => {
    say();
    if (process.stdout.isTTY) ticks = setInterval(say, TICK_MS);
  }, PATIENCE_MS);
  try {
    return await work;
  } finally {
    clearTimeout(patience);
    clearInterval(ticks);
    clearStatus();
  }
}

function clearStatus(): void {
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K');
}

/** Plain where the stream shows no colours; NO_COLOR is honoured. */
function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}
