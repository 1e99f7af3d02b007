// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import fc from 'fast-check';
import {
  DUMP,
  decodeAttributes,
  decodeMessages,
  encodeRequest,
  outcomeOf,
} from '../../../agent/sys/netlink-messages.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const bytesOf = ({ buffer, byteOffset, byteLength }: DataView) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('hex');

/** Length, type, flags, sequence, port. */
const HEADER = '14000000 0200 0000 07000000 00000000';

test('a request has the length of header and payload', (t) => {
  const request = encodeRequest(22, DUMP, 7, hex('0a0b'));
  t.is(
    Buffer.from(request).toString('hex'),
    '12000000 1600 0103 07000000 00000000 0a0b'.replaceAll(' ', ''),
  );
});

test('messages of a datagram, each from a multiple of four bytes on', (t) => {
  const datagram = hex(
    '11000000 1400 1000 07000000 00000000 aa 000000 10000000 1500 0000 08000000 00000000',
  );
  t.deepEqual(
    [...decodeMessages(datagram)].map(({ payload, ...rest }) => ({
      ...rest,
      payload: bytesOf(payload),
    })),
    [
      { type: 20, sequence: 7, isInterrupted: true, payload: 'aa' },
      { type: 21, sequence: 8, isInterrupted: false, payload: '' },
    ],
  );
});

test('a datagram ends where a message is cut off or makes no sense', (t) => {
  const whole = '10000000 1500 0000 08000000 00000000';
  for (const [rest, why] of [
    ['10000000 1500 0000 08000000 000000', 'its header is cut off'],
    ['14000000 1500 0000 08000000 00000000 aabb', 'its payload is cut off'],
    ['0f000000 1500 0000 08000000 00000000', 'it is shorter than its header'],
    ['00000000 1500 0000 08000000 00000000', 'it has no length'],
    ['ffffffff 1500 0000 08000000 00000000', 'it has every length'],
  ] as const) {
    t.is([...decodeMessages(hex(`${whole} ${rest}`))].length, 1, why);
  }
});

test('the last message of an answer says how it went', (t) => {
  const outcome = (text: string) => {
    const [message] = decodeMessages(hex(text));
    return message && outcomeOf(message);
  };
  t.is(outcome(`${HEADER} 00000000`), 0);
  t.is(outcome(`${HEADER} feffffff`), 2);
  t.is(outcome('14000000 0300 0000 07000000 00000000 a1ffffff'), 95, 'the end of a dump');
  t.is(outcome('10000000 0300 0000 07000000 00000000'), 0, 'the end of a dump, with nothing said');
  t.is(outcome('14000000 1400 0000 07000000 00000000 feffffff'), undefined);
});

test('attributes by type, without flags', (t) => {
  const payload = view(hex('ffff 0500 0100 aa 000000 0800 0280 0a000001 0400 0300'));
  const attributes = decodeAttributes(payload, 2);
  t.deepEqual(
    [...attributes],
    [
      [1, hex('aa')],
      [2, hex('0a000001')],
      [3, hex('')],
    ],
  );
});

test('attributes end where one is cut off or makes no sense', (t) => {
  for (const rest of ['0800 0200 0a0000', '0300 0200', '0000 0000 0000', '05', '']) {
    const attributes = decodeAttributes(view(hex(`0800 0100 0a000001 ${rest}`)), 0);
    t.deepEqual([...attributes.keys()], [1], rest);
  }
});

test('whatever arrives is read to an end, and nothing beyond it', (t) => {
  const anything = fc.uint8Array({ maxLength: 64 });
  // Most random lengths are too large at once: small ones go deeper.
  const plausible = anything.map((bytes) =>
    bytes.map((byte, i) => (i % 4 === 0 ? byte % 24 : i % 4 > 1 ? 0 : byte)),
  );
  fc.assert(
    fc.property(fc.oneof(anything, plausible), (bytes) => {
      for (const { payload } of decodeMessages(bytes)) {
        const end = payload.byteOffset + payload.byteLength;
        t.true(payload.byteOffset >= bytes.byteOffset && end <= bytes.byteOffset + bytes.length);
        decodeAttributes(payload, 0);
      }
      decodeAttributes(view(bytes), 0);
    }),
  );
  t.pass();
});
