// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import fc from 'fast-check';
import type { IpAddress } from '../../../agent/model/address.ts';
import { localAddressOf } from '../../../agent/sys/address-messages.ts';

const RTM_NEWADDR = 20;

/** A message with struct ifaddrmsg of these flags and attributes, as hexadecimal. */
function told(attributes: string, { flags = '80', type = RTM_NEWADDR } = {}) {
  const bytes = Uint8Array.from(
    Buffer.from(`0220${flags}0001000000${attributes}`.replaceAll(' ', ''), 'hex'),
  );
  return { type, sequence: 1, isInterrupted: false, payload: new DataView(bytes.buffer) };
}

const ADDRESS = '0800 0100 0a000001';
const ADDRESS6 = '1400 0100 fd000000000000000000000000000001';

test('the address of a device', (t) => {
  t.is(localAddressOf(told(ADDRESS)), '10.0.0.1' as IpAddress);
  t.is(localAddressOf(told(ADDRESS6)), 'fd00::1' as IpAddress);
});

test('of a point-to-point device its own end, not the other one', (t) => {
  t.is(localAddressOf(told(`${ADDRESS} 0800 0200 0a000002`)), '10.0.0.2' as IpAddress);
  t.is(
    localAddressOf(told(`1400 0200 fd000000000000000000000000000002 ${ADDRESS6}`)),
    'fd00::2' as IpAddress,
  );
});

test('a deprecated address counts, a tentative one when it is in use already', (t) => {
  t.is(localAddressOf(told(ADDRESS6, { flags: 'a0' })), 'fd00::1' as IpAddress);
  t.is(localAddressOf(told(ADDRESS6, { flags: 'c4' })), 'fd00::1' as IpAddress);
  t.is(localAddressOf(told(ADDRESS6, { flags: 'c0' })), undefined);
  t.is(localAddressOf(told(ADDRESS6, { flags: 'c8' })), undefined, 'somebody else has it');
});

test('what is not an IP address is none', (t) => {
  for (const message of [
    told(''),
    told('0500 0100 0a 000000'),
    told('0800 0100 0a0000'),
    told('0800 0300 0a000001'),
    told(ADDRESS, { type: 21 }),
    { ...told(''), payload: new DataView(new ArrayBuffer(7)) },
  ]) {
    t.is(localAddressOf(message), undefined);
  }
});

test('whatever is told does not crash', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const payload = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      localAddressOf({ type: RTM_NEWADDR, sequence: 0, isInterrupted: false, payload });
    }),
  );
  t.pass();
});
