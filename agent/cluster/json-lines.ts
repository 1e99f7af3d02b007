// SPDX-License-Identifier: Apache-2.0
// Cuts a stream of bytes into lines, as the API server writes watch events. Used by the reflector.

import { ApiError } from './api-error.ts';

const NEWLINE = 0x0a;
/** Servers store no object of more than some megabytes. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * The lines of `chunks`, without their ends and without empty ones. A last line that was not ended is
 * one that was cut: it is left out. Each byte is looked at once, however the lines are spread.
 *
 * @throws ApiError of kind `answer` for a line of more than `maxBytes`, as soon as it is so long.
 */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  let begunBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end === -1) break;
      begun.push(chunk.subarray(from, end));
      // Only whole lines become text: a character may be spread over two chunks.
      const line = begun.length === 1 ? begun[0]?.toString() : Buffer.concat(begun).toString();
      begun = [];
      begunBytes = 0;
      from = end + 1;
      if (line) yield line;
    }
    if (from === chunk.length) continue;
    begun.push(chunk.subarray(from));
    begunBytes += chunk.length - from;
    if (begunBytes > maxBytes) {
      throw new ApiError('answer', `a watch event is of more than ${maxBytes} bytes`);
    }
  }
}
