// SPDX-License-Identifier: Apache-2.0
// Cuts a stream of bytes into lines, as the API server writes watch events. Used by the reflector.

const NEWLINE = 0x0a;

/**
 * The lines of `chunks`, without their ends and without empty ones. A last line that was not ended is
 * one that was cut: it is left out. Each byte is looked at once, however the lines are spread.
 */
export async function* splitLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  for await (const chunk of chunks) {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end === -1) break;
      begun.push(chunk.subarray(from, end));
      // Only whole lines become text: a character may be spread over two chunks.
      const line = begun.length === 1 ? begun[0]?.toString() : Buffer.concat(begun).toString();
      begun = [];
      from = end + 1;
      if (line) yield line;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
}
