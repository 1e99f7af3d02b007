// SPDX-License-Identifier: Apache-2.0
// Standard output for what may be long: as fast as it is read, and no longer than somebody reads. Its texts have been
// through printable(), piece by piece, and may have colours.

import { once } from 'node:events';
import { printableJson } from '../printable.ts';

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
    last = printableJson(JSON.stringify(item));
  }
  if (last !== undefined) await writeLine(`  ${last}`);
  await writeLine(']');
}
