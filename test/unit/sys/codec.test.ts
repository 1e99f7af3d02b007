// SPDX-License-Identifier: Apache-2.0
// Names in fixed places.

import test from 'ava';
import { readName, u32, writeName } from '../../../agent/sys/codec.ts';

const names = test.macro({
  exec(t, name: string, kept: string) {
    const view = new DataView(new Uint8Array(12).fill(0).buffer);
    view.setUint8(1, 0xaa);
    view.setUint8(10, 0xbb);
    writeName(view, 2, 8, name);
    t.is(readName(view, 2, 8), kept);
    t.deepEqual([view.getUint8(1), view.getUint8(10)], [0xaa, 0xbb]);
  },
  title: (_, name: string) => `a name of ${name.length} in eight bytes`,
});
test(names, '', '');
test(names, 'http', 'http');
test(names, 'quote-1', 'quote-1');
test(names, 'quote-12', 'quote-12');
test(names, 'quote-1234', 'quote-12');

test('a name that fills its place ends there', (t) => {
  const view = new DataView(new Uint8Array(9).fill(0x61).buffer);
  t.is(readName(view, 0, 8), 'aaaaaaaa');
});

test('a number is in the order of the host', (t) => {
  const bytes = new Uint8Array(4);
  u32.write(new DataView(bytes.buffer), 0, 0xfedcba98);
  t.is(new Uint32Array(bytes.buffer)[0], 0xfedcba98);
  t.is(u32.read(new DataView(bytes.buffer), 0), 0xfedcba98);
});
