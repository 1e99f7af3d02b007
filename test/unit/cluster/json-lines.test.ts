// SPDX-License-Identifier: Apache-2.0
// Lines out of a stream that is cut anywhere.

import test from 'ava';
import fc from 'fast-check';
import { ApiError } from '../../../agent/cluster/api-error.ts';
import { splitLines } from '../../../agent/cluster/json-lines.ts';

async function linesOf(chunks: readonly Buffer[]): Promise<string[]> {
  async function* stream() {
    yield* chunks;
  }
  return await Array.fromAsync(splitLines(stream()));
}

test('however the bytes are spread over chunks, the lines are the same', async (t) => {
  const text = fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', '')));
  await fc.assert(
    fc.asyncProperty(text, fc.array(fc.nat(200)), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const at = [
        0,
        ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b),
        bytes.length,
      ];
      const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      t.deepEqual(
        await linesOf(chunks),
        lines.filter((line) => line !== ''),
      );
    }),
  );
});

test('a line without an end is a failure, as soon as it is too long', async (t) => {
  let chunks = 0;
  async function* endless() {
    for (;;) {
      chunks += 1;
      yield Buffer.from('x'.repeat(10));
    }
  }
  const error = await t.throwsAsync(Array.fromAsync(splitLines(endless(), 95)), {
    instanceOf: ApiError,
  });
  t.is(error?.kind, 'answer');
  t.is(chunks, 10);
});

test('a last line that was not ended is left out', async (t) => {
  t.deepEqual(await linesOf([Buffer.from('{"a":1}\n{"b"')]), ['{"a":1}']);
});

test('a character may be cut in two', async (t) => {
  const bytes = Buffer.from('"é€😀"\n');
  const chunks = Array.from(bytes, (byte) => Buffer.from([byte]));
  t.deepEqual(await linesOf(chunks), ['"é€😀"']);
});
