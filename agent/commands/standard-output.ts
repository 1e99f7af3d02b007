// SPDX-License-Identifier: Apache-2.0
// Standard output for what may be long: as fast as it is read, and no longer than somebody reads.

import { once } from 'node:events';

/** Prints a line. @returns when there is room for the next. */
export async function writeLine(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** `explain - | head -1` is no error. */
export function endQuietlyWithoutReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

/** A JSON array with a line for each of `items`, of which none but the one at hand need exist. */
export async function writeJsonArray(items: Iterable<object>): Promise<void> {
  let last: string | undefined;
  await writeLine('[');
  for (const item of items) {
    if (last !== undefined) await writeLine(`  ${last},`);
    last = asciiJson(item);
  }
  if (last !== undefined) await writeLine(`  ${last}`);
  await writeLine(']');
}

/** No control character reaches a terminal: JSON itself escapes only those below space. */
function asciiJson(item: object): string {
  return JSON.stringify(item).replace(/[^ -~]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
