// SPDX-License-Identifier: Apache-2.0
// Addresses and prefixes: what is one, its one text form, its sixteen bytes, what lies in what. node:net's own
// judgement is the oracle.

import net from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import {
  ADDRESS_SIZE,
  addressOfBytes,
  familyOf,
  formatEndpoint,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  isLoopback,
  isZoned,
  parseAddress,
  parseAddressSloppily,
  parsePrefix,
  prefixAddress,
  prefixBits,
  prefixContains,
  prefixFamily,
  prefixFromBits,
  prefixLength,
  prefixOf,
  readAddress,
  specialUseOf,
  unspecifiedAddress,
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

test('the longest run of zeros is left out, wherever zeros are', (t) => {
  for (let pattern = 0; pattern < 256; pattern++) {
    const groups = Array.from({ length: 8 }, (_, i) => (pattern & (1 << i) ? 0x0a0 + i : 0));
    const view = new DataView(new ArrayBuffer(ADDRESS_SIZE));
    for (const [i, group] of groups.entries()) view.setUint16(i * 2, group);
    const spelled = groups.map((group) => group.toString(16).padStart(4, '0')).join(':');
    t.is(readAddress(view, 0), parseAddress(spelled) as IpAddress, spelled);
  }
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

test('the address that no host has', (t) => {
  t.is<string, string>(unspecifiedAddress('IPv4'), '0.0.0.0');
  t.is<string, string>(unspecifiedAddress('IPv6'), '::');
});

const readsSloppily = test.macro({
  exec(t, text: string, canonical: string | undefined) {
    t.is<string | undefined, string | undefined>(parseAddressSloppily(text), canonical);
  },
  title: (_, text, canonical) => `sloppily, '${text}' is ${canonical ?? 'no address'}`,
});
test(readsSloppily, '10.96.0.1', '10.96.0.1');
test(readsSloppily, '010.0096.00.01', '10.96.0.1');
test(readsSloppily, '000.0.0.00', '0.0.0.0');
test(readsSloppily, '010.020.030.040', '10.20.30.40');
test(readsSloppily, '00000000010.0.0.1', '10.0.0.1');
test(readsSloppily, 'FD00::0001', 'fd00::1');
test(readsSloppily, '::ffff:010.096.000.001', '10.96.0.1');
test(readsSloppily, '010.0.0.0256', undefined);
test(readsSloppily, '0x10.0.0.1', undefined);
test(readsSloppily, '10.0.0.0a', undefined);
test(readsSloppily, '010.0.0', undefined);
test(readsSloppily, ' 10.0.0.1', undefined);
test(readsSloppily, 'fd00::00001', undefined);
test(readsSloppily, '', undefined);

const prefix = test.macro({
  exec(t, text: string, canonical: string | undefined) {
    t.is<string | undefined, string | undefined>(parsePrefix(text), canonical);
  },
  title: (_, text, canonical) => `'${text}' is ${canonical ?? 'no prefix'}`,
});
test(prefix, '10.0.0.0/8', '10.0.0.0/8');
test(prefix, '10.1.2.3/8', '10.0.0.0/8');
test(prefix, '10.1.2.255/25', '10.1.2.128/25');
test(prefix, '10.1.2.3/32', '10.1.2.3/32');
test(prefix, '255.255.255.255/31', '255.255.255.254/31');
test(prefix, '10.1.2.3/0', '0.0.0.0/0');
test(prefix, '010.001.0.0/08', '10.0.0.0/8');
test(prefix, '10.0.0.0/0024', '10.0.0.0/24');
test(prefix, ' \t10.0.0.0/8\n', '10.0.0.0/8');
test(prefix, 'FD00::1/64', 'fd00::/64');
test(prefix, 'fd00::ffff/113', 'fd00::8000/113');
test(prefix, 'fd00::1/128', 'fd00::1/128');
test(prefix, 'fd00::1/0', '::/0');
test(prefix, '::/0', '::/0');
test(prefix, '::ffff:10.0.0.0/104', '10.0.0.0/8');
test(prefix, '::ffff:10.1.2.3/128', '10.1.2.3/32');
test(prefix, '::ffff:a01:203/112', '10.1.0.0/16');
test(prefix, '::ffff:0:0/96', '0.0.0.0/0');
test(prefix, '::ffff:0:0/95', undefined);
test(prefix, '::ffff:10.0.0.0/8', undefined);
test(prefix, '::ffff:10.0.0.0/129', undefined);
test(prefix, '10.0.0.0/33', undefined);
test(prefix, 'fd00::/129', undefined);
test(prefix, `10.0.0.0/${'9'.repeat(400)}`, undefined);
test(prefix, '10.0.0.0', undefined);
test(prefix, '10.0.0.0/', undefined);
test(prefix, '/8', undefined);
test(prefix, '10.0.0.0/-1', undefined);
test(prefix, '10.0.0.0/8.0', undefined);
test(prefix, '10.0.0.0/1e1', undefined);
test(prefix, '10.0.0.0/0x8', undefined);
test(prefix, '10.0.0.0 / 8', undefined);
test(prefix, '10.0.0.0/8/8', undefined);
test(prefix, '10.0.0.0/255.0.0.0', undefined);
test(prefix, '10.0.0/8', undefined);
test(prefix, 'fe80::%eth0/64', undefined);
test(prefix, '', undefined);

const addresses = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text) as IpAddress);
const prefixes = fc.tuple(addresses, fc.nat(128)).map(([address, length]) => {
  const most = prefixLength(prefixOf(address));
  return parsePrefix(`${address}/${length % (most + 1)}`) as IpPrefix;
});
/** An address in `prefix` or near it, so that either answer is common. */
const prefixAndAddress = prefixes.chain((inside) =>
  fc.tuple(
    fc.constant(inside),
    fc.oneof(
      addresses,
      fc.nat(130).map((bit) => withBitFlipped(prefixAddress(inside), bit)),
    ),
  ),
);

function withBitFlipped(address: IpAddress, bit: number): IpAddress {
  const view = new DataView(new ArrayBuffer(ADDRESS_SIZE));
  writeAddress(view, 0, address);
  const first = familyOf(address) === 'IPv4' ? 96 : 0;
  const at = first + (bit % (128 - first));
  view.setUint8(at >> 3, view.getUint8(at >> 3) ^ (0x80 >> (at & 7)));
  return readAddress(view, 0);
}

test('the text form of a prefix is one, and its parts are what it was made of', (t) => {
  fc.assert(
    fc.property(prefixes, (it) => {
      const [address, length, family] = [prefixAddress(it), prefixLength(it), prefixFamily(it)];
      return (
        parsePrefix(it) === it &&
        it === `${address}/${length}` &&
        parseAddress(address) === address &&
        familyOf(address) === family &&
        prefixFromBits(address, prefixBits(it)) === it
      );
    }),
  );
  t.pass();
});

test('the bits of a prefix count from the first of sixteen bytes', (t) => {
  t.is(prefixBits('10.0.0.0/8' as IpPrefix), 104);
  t.is(prefixBits('0.0.0.0/0' as IpPrefix), 96);
  t.is(prefixBits('fd00::/8' as IpPrefix), 8);
  t.is<string, string>(prefixFromBits('10.1.2.3' as IpAddress, 104), '10.0.0.0/8');
  t.is<string, string>(prefixFromBits('::' as IpAddress, 0), '::/0');
});

test('what lies in a prefix is what node:net says; never across families', (t) => {
  const seen = { inside: 0, outside: 0 };
  fc.assert(
    fc.property(prefixAndAddress, ([outer, address]) => {
      const list = new net.BlockList();
      const family = (of: IpFamily) => (of === 'IPv4' ? 'ipv4' : 'ipv6');
      list.addSubnet(prefixAddress(outer), prefixLength(outer), family(prefixFamily(outer)));
      const isInside =
        prefixFamily(outer) === familyOf(address) && list.check(address, family(familyOf(address)));
      seen[isInside ? 'inside' : 'outside'] += 1;
      return prefixContains(outer, address) === isInside;
    }),
    { numRuns: 3000 },
  );
  t.true(seen.inside > 300 && seen.outside > 300, JSON.stringify(seen));
});

test('the prefix of one address holds it alone', (t) => {
  fc.assert(
    fc.property(addresses, fc.nat(127), (address, bit) => {
      const only = prefixOf(address);
      return (
        prefixContains(only, address) &&
        !prefixContains(only, withBitFlipped(address, bit)) &&
        prefixBits(only) === 128 &&
        parsePrefix(only) === only
      );
    }),
  );
  t.pass();
});

const special = test.macro({
  exec(t, text: string, use: string | undefined) {
    const address = parseAddress(text) as IpAddress;
    t.is<string | undefined, string | undefined>(specialUseOf(address), use);
    t.is(isLoopback(address), use === 'loopback');
  },
  title: (_, text, use) => `${text} is ${use ?? 'like any other'}`,
});
test(special, '0.0.0.0', 'unspecified');
test(special, '0.0.0.1', undefined);
test(special, '::', 'unspecified');
test(special, '126.255.255.255', undefined);
test(special, '127.0.0.0', 'loopback');
test(special, '127.255.255.255', 'loopback');
test(special, '128.0.0.0', undefined);
test(special, '::1', 'loopback');
test(special, '::2', undefined);
test(special, '169.253.255.255', undefined);
test(special, '169.254.0.0', 'link-local');
test(special, '169.254.255.255', 'link-local');
test(special, '169.255.0.0', undefined);
test(special, 'fe7f::1', undefined);
test(special, 'fe80::', 'link-local');
test(special, 'febf:ffff::1', 'link-local');
test(special, 'fec0::', undefined);
test(special, '223.255.255.255', undefined);
test(special, '224.0.0.0', 'multicast');
test(special, '239.255.255.255', 'multicast');
test(special, '240.0.0.0', undefined);
test(special, 'feff::1', undefined);
test(special, 'ff00::', 'multicast');
test(special, 'ffff::1', 'multicast');

const ofBytes = test.macro({
  exec(t, hex: string, address: string | undefined) {
    // Bytes in the middle of others, as they are in a message.
    const bytes = Uint8Array.from(Buffer.from(`ff${hex}ff`, 'hex')).subarray(1, -1);
    t.is<string | undefined, string | undefined>(addressOfBytes(bytes), address);
  },
  title: (_, hex, address) => `bytes ${hex} are ${address ?? 'no address'}`,
});
test(ofBytes, '0a6000ff', '10.96.0.255');
test(ofBytes, 'fd000000000000000000000000000001', 'fd00::1');
test(ofBytes, '00000000000000000000ffff0a6000ff', '10.96.0.255');
test(ofBytes, '', undefined);
test(ofBytes, '0a6000', undefined);
test(ofBytes, '0a6000ff00', undefined);

const zoned = test.macro({
  exec(t, address: string, isIt: boolean) {
    t.is(isZoned(address as IpAddress), isIt);
  },
  title: (_, address, isIt) => `${address} ${isIt ? 'needs' : 'needs no'} zone`,
});
test(zoned, 'fe80::1', true);
test(zoned, 'febf:ffff::1', true);
test(zoned, 'fec0::1', false);
test(zoned, 'fd00::1', false);
test(zoned, '169.254.20.10', false);
