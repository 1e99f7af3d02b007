// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import fc from 'fast-check';
import {
  creationOf,
  deletionOf,
  translatedEntryOf,
} from '../../../agent/sys/conntrack-messages.ts';
import {
  nestedAttribute,
  netfilterRequest,
  netfilterType,
  numberAttribute,
} from '../../../agent/sys/netfilter-messages.ts';
import { address } from '../../helpers/objects.ts';

const TRANSLATED = 32;
const tuple = (source: string, destination: string, protocol = 6) => ({
  protocol,
  source: { address: address(source), port: 40_000 },
  destination: { address: address(destination), port: 80 },
});

const message = (type: number, payload: Uint8Array) => ({
  type,
  sequence: 1,
  isInterrupted: false,
  payload: new DataView(payload.buffer, payload.byteOffset, payload.byteLength),
});

/** What the kernel prints of an entry is what it is told of one, with another status. */
function entryMessage(original: ReturnType<typeof tuple>, status: number, tcpState = 3) {
  const { payload } = creationOf(original, 60);
  const more = [
    numberAttribute(3, status, 4),
    numberAttribute(12, 0xfedcba98, 4),
    nestedAttribute(4, nestedAttribute(1, numberAttribute(1, tcpState, 1))),
  ];
  return message(netfilterType('conntrack', 0), Buffer.concat([payload, ...more]));
}

for (const [source, destination] of [
  ['198.51.100.2', '10.96.0.10'],
  ['2001:db8::2', 'fd00:10:96::a'],
] as const) {
  test(`an entry from ${source}, with both directions`, (t) => {
    const original = tuple(source, destination);
    t.deepEqual(translatedEntryOf(entryMessage(original, TRANSLATED)), {
      original,
      reply: { protocol: 6, source: original.destination, destination: original.source },
      id: 0xfedcba98,
      hasEnded: false,
    });
  });
}

test('what is not translated, and what is no entry, is none', (t) => {
  const original = tuple('198.51.100.2', '10.96.0.10');
  t.is(translatedEntryOf(entryMessage(original, 8)), undefined);
  const { payload } = entryMessage(original, TRANSLATED);
  t.is(translatedEntryOf({ ...message(1, new Uint8Array()), payload }), undefined);
});

test('a connection of TCP has ended when it is in TIME_WAIT or closed; one of UDP never', (t) => {
  const ended = (protocol: number, state: number) =>
    translatedEntryOf(
      entryMessage(tuple('198.51.100.2', '10.96.0.10', protocol), TRANSLATED, state),
    )?.hasEnded;
  t.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 8].map((state) => ended(6, state)),
    [false, false, false, false, false, false, true, true],
  );
  t.false(ended(17, 7));
});

test('a deletion names the entry by its id, too', (t) => {
  const entry = translatedEntryOf(entryMessage(tuple('198.51.100.2', '10.96.0.10'), TRANSLATED));
  if (!entry) return t.fail();
  const { payload } = deletionOf(entry);
  t.true(Buffer.from(payload).includes(Buffer.from('fedcba98', 'hex')));
});

test('whatever bytes come, none is read past the end', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const { payload } = netfilterRequest(0, 0, 2, bytes);
      translatedEntryOf(message(netfilterType('conntrack', 0), payload));
    }),
  );
  t.pass();
});
