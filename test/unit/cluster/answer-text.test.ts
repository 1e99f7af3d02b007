// SPDX-License-Identifier: Apache-2.0
// Answers that are read as a whole, and when they no longer are.

import test from 'ava';
import { readText } from '../../../agent/cluster/answer-text.ts';
import { ApiError } from '../../../agent/cluster/api-error.ts';

const WIDE = { maxBytes: 1000, withinMs: 60_000 };

/** Endless. */
async function* drops(state: { isEnded: boolean }) {
  try {
    for (;;) {
      yield Buffer.from('x');
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    state.isEnded = true;
  }
}

test('a character may be cut in two', async (t) => {
  async function* pieces() {
    for (const byte of Buffer.from('é😀')) yield Buffer.from([byte]);
  }
  t.is(await readText(pieces(), WIDE), 'é😀');
});

for (const [what, bounds, kind] of [
  ['bytes', { ...WIDE, maxBytes: 10 }, 'answer'],
  ['time', { ...WIDE, maxBytes: 1e9, withinMs: 20 }, 'timeout'],
] as const) {
  test(`too much of it is a failure, and nothing more is read: ${what}`, async (t) => {
    const state = { isEnded: false };
    const error = await t.throwsAsync(readText(drops(state), bounds), { instanceOf: ApiError });
    t.is(error?.kind, kind);
    t.true(state.isEnded);
  });
}
