// SPDX-License-Identifier: Apache-2.0
// Texts of others, as a terminal may have them.

import test from 'ava';
import fc from 'fast-check';
import { printable, printableJson, printableLines } from '../../agent/printable.ts';

test('what people write stays', (t) => {
  for (const text of ['default/quote:http', 'the client’s own …', 'Prüfung', '日本語', '🎉']) {
    t.is(printable(text), text);
    t.is(printableLines(text), text);
    t.is(printableJson(text), text);
  }
});

test('what a terminal acts upon is named', (t) => {
  t.is(printable('a\u001b[31m\nb\u009bc\u007f'), 'a\\x1b[31m\\x0ab\\x9bc\\x7f');
  t.is(printable('a\u202eb\u2066\u2028\ud800'), 'a\\u{202e}b\\u{2066}\\u{2028}\\u{d800}');
  t.is(printableLines('a\nb\r\u001bc\u2029'), 'a\nb\\x0d\\x1bc\\u{2029}');
});

test('JSON means the same', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      const json = printableJson(JSON.stringify({ text }));
      t.deepEqual(JSON.parse(json), { text });
      t.notRegex(json, /[\p{C}\p{Zl}\p{Zp}]/u);
      t.notRegex(printable(text), /[\p{C}\p{Zl}\p{Zp}]/u);
    }),
  );
  t.is(printableJson('"\u{e0001}"'), '"\\udb40\\udc01"');
});
