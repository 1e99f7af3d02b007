// SPDX-License-Identifier: Apache-2.0
// Reads an answer as a whole, within bounds: of whoever answers in place of the API server nothing is known. Used by
// api-client.ts.

import { ApiError } from './api-error.ts';

export interface AnswerBounds {
  readonly maxBytes: number;
  /** For all of it. That something comes now and then is seen to by who sent the request. */
  readonly withinMs: number;
}

/** @throws ApiError as soon as it is out of bounds; the rest is not read then. */
export async function readText(
  chunks: AsyncIterable<Buffer>,
  { maxBytes, withinMs }: AnswerBounds,
): Promise<string> {
  const untilMs = performance.now() + withinMs;
  const read: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    read.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ApiError('answer', `more than ${maxBytes} bytes`);
    if (performance.now() > untilMs) {
      throw new ApiError('timeout', `not complete after ${withinMs / 1000} s`);
    }
  }
  return Buffer.concat(read).toString();
}
