// SPDX-License-Identifier: Apache-2.0
// Addresses: what is one, its one text form, its sixteen bytes. node:net's own judgement is the oracle.

import net from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import {
  ADDRESS_SIZE,
  familyOf,
  formatEndpoint,
  type IpAddress,
  type IpFamily,
  parseAddress,
  readAddress,
  writeAddress,
} from '../../../agent/model/address.ts';

const reads = test.macro({
  exec(t, text: string, canonical: string | undefined) {
    t.is<string | undefined, string | undefined>(parseAddress(text), canonical);
  },
  title: (_, text, canonical) => `'${text}' is ${canonical ?? 'no address'}`,
});
test(reads, '10.96.0.1', '10.96.0.1');
test(reads, '0.0.0.0', '0.0.0.0');
test(reads, '255.255.255.255', '255.255.255.255');
test(reads, 'fd00::1', 'fd00::1');
test(reads, 'FD00:0:0:0:0:0:0:1', 'fd00::1');
test(reads, '::', '::');
test(reads, '1::', '1::');
test(reads, '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1');
test(reads, '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1');
test(reads, '::ffff:10.96.0.1', '10.96.0.1');
test(reads, '::ffff:a60:1', '10.96.0.1');
test(reads, '::10.96.0.1', '::a60:1');
test(reads, '64:ff9b::10.96.0.1', '64:ff9b::a60:1');
test(reads, '', undefined);
test(reads, 'None', undefined);
test(reads, '10.96.0', undefined);
test(reads, '10.96.0.256', undefined);
test(reads, '10.96.0.01', undefined);
test(reads, '0x0a.96.0.1', undefined);
test(reads, '174063617', undefined);
test(reads, ' 10.96.0.1', undefined);
test(reads, '10.96.0.1\n', undefined);
test(reads, '10.96.0.1:80', undefined);
test(reads, '10.96.0.0/24', undefined);
test(reads, 'fe80::1%eth0', undefined);
test(reads, '[fd00::1]', undefined);
test(reads, 'fd00:::1', undefined);
test(reads, 'fd00::1::', undefined);
test(reads, 'fd00::12345', undefined);
test(reads, '1:2:3:4:5:6:7:8:9', undefined);
test(reads, '1:2:3:4:5:6:7', undefined);
test(reads, '::ffff:10.96.0.256', undefined);
test(reads, '::ffff:010.96.0.1', undefined);

const texts = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4Extended(),
  fc.string({ unit: fc.constantFrom(...'0123456789abcdefF.:%/ xg'), maxLength: 40 }),
  // One character of a good address changed.
  fc
    .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(), fc.constantFrom(...'0f.:%', '', '::'))
    .map(([ip, at, char]) => {
      const i = at % ip.length;
      return ip.slice(0, i) + char + ip.slice(i + 1);
    }),
);

test('an address is what node:net calls one, without a zone', (t) => {
  fc.assert(
    fc.property(texts, (text) => {
      const isOne = net.isIP(text) !== 0 && !text.includes('%');
      return (parseAddress(text) !== undefined) === isOne;
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

test('the text form is one: what it is made of reads as itself, in any spelling', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const address = readAddress(new DataView(bytes.buffer, bytes.byteOffset), 0);
      const groups = Array.from({ length: 8 }, (_, i) =>
        Buffer.from(bytes.subarray(2 * i, 2 * i + 2)).toString('hex'),
      );
      return (
        parseAddress(address) === address &&
        parseAddress(groups.join(':')) === address &&
        parseAddress(groups.join(':').toUpperCase()) === address
      );
    }),
  );
  t.pass();
});

test('reading is the inverse of writing, and writing touches its sixteen bytes alone', (t) => {
  const addresses = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text) as IpAddress);
  fc.assert(
    fc.property(addresses, fc.nat(20), (address, at) => {
      const view = new DataView(new Uint8Array(at + ADDRESS_SIZE + 4).fill(0xaa).buffer);
      writeAddress(view, at, address);
      const around = [...new Uint8Array(view.buffer)];
      around.splice(at, ADDRESS_SIZE);
      return readAddress(view, at) === address && around.every((byte) => byte === 0xaa);
    }),
  );
  t.pass();
});

const bytes = test.macro({
  exec(t, address: string, hex: string) {
    const buffer = Buffer.alloc(ADDRESS_SIZE);
    writeAddress(new DataView(buffer.buffer, buffer.byteOffset), 0, address as IpAddress);
    t.is(buffer.toString('hex'), hex);
  },
  title: (_, address) => `sixteen bytes of ${address}`,
});
test(bytes, '10.96.0.255', '00000000000000000000ffff0a6000ff');
test(bytes, 'fd00::1', 'fd000000000000000000000000000001');
test(bytes, '::', '00000000000000000000000000000000');

const writes = test.macro({
  exec(t, address: string, family: IpFamily, endpoint: string) {
    t.is(familyOf(address as IpAddress), family);
    t.is(formatEndpoint(address as IpAddress, 80), endpoint);
  },
  title: (_, address, family) => `${address} is ${family}`,
});
test(writes, '10.96.0.1', 'IPv4', '10.96.0.1:80');
test(writes, 'fd00::1', 'IPv6', '[fd00::1]:80');
