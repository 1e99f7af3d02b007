// SPDX-License-Identifier: Apache-2.0
// Lines of a batch, however they come.

import { Readable } from 'node:stream';
import test from 'ava';
import { linesOf } from '../../../agent/commands/explain-batch.ts';

const lines = (chunks: readonly string[], maxChars?: number) =>
  Array.fromAsync(linesOf(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), maxChars));

test('lines over several pieces, and a last one without its end', async (t) => {
  t.deepEqual(await lines(['a', 'b\nc', '', '\n\nd']), ['ab', 'c', '', 'd']);
  t.deepEqual(await lines([]), []);
});

test('a line without an end is kept up to a length, and what follows is read', async (t) => {
  const pieces = Array(1000).fill('x'.repeat(100));
  t.deepEqual(await lines([...pieces, '\nhost\n'], 250), ['x'.repeat(250), 'host']);
  t.deepEqual(await lines(pieces, 250), ['x'.repeat(250)]);
});
