// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of devices, their addresses, default routes and queueing disciplines.

import test from 'ava';
import fc from 'fast-check';
import type { IpAddress } from '../../../agent/model/address.ts';
import { deviceAddressOf } from '../../../agent/sys/address-messages.ts';
import { linkOf } from '../../../agent/sys/link-messages.ts';
import { encodeAttribute, type NetlinkMessage } from '../../../agent/sys/netlink-messages.ts';
import { defaultRouteDevices } from '../../../agent/sys/route-messages.ts';
import { allFilters, clsactOf } from '../../../agent/sys/tc-messages.ts';

/** A message with this header, in hexadecimal, and these attributes, likewise or as text that a NUL ends. */
function told(type: number, header: string, attributes: readonly [number, string][]) {
  const bytes = Uint8Array.from([
    ...hex(header),
    ...attributes.flatMap(([kind, value]) => [...encodeAttribute(kind, attributeValue(value))]),
  ]);
  return { type, sequence: 1, isInterrupted: false, payload: new DataView(bytes.buffer) };
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function attributeValue(text: string): Uint8Array {
  return text.startsWith('"') ? Buffer.from(`${text.slice(1)}\0`) : hex(text);
}

/** struct ifinfomsg of device 7. */
const link = (arpType: string, flags: string, attributes: readonly [number, string][]) =>
  told(16, `0000 ${arpType} 07000000 ${flags} ffffffff`, attributes);

/** IFLA_LINKINFO of this kind, with data behind it. */
function info(kind: string): [number, string] {
  const nested = [
    encodeAttribute(1, Buffer.from(`${kind}\0`)),
    encodeAttribute(2, hex('01020304')),
  ];
  return [18, Buffer.concat(nested).toString('hex')];
}

test('a device', (t) => {
  t.deepEqual(linkOf(link('0100', '43100000', [[3, '"eth0']])), {
    ifindex: 7,
    name: 'eth0',
    kind: '',
    framing: 'ethernet',
    isLoopback: false,
    isUp: true,
    master: 0,
  });
  t.like(linkOf(link('0100', '02100000', [[3, '"veth1'], [10, '09000000'], info('veth')])), {
    name: 'veth1',
    kind: 'veth',
    isUp: false,
    master: 9,
  });
  t.like(linkOf(link('0403', '49000000', [[3, '"lo']])), { framing: 'ethernet', isLoopback: true });
});

test('what a device’s packets begin with', (t) => {
  // NONE, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE, RAWIP, PPP
  for (const type of ['feff', '0003', '0103', '0803', '0a03', '3703', '0702', '0002']) {
    t.is(linkOf(link(type, '01000000', [[3, '"tun0']]))?.framing, 'ip', type);
  }
  // INFINIBAND, IEEE80211_RADIOTAP
  for (const type of ['2000', '2303']) {
    t.is(linkOf(link(type, '01000000', [[3, '"x']]))?.framing, undefined, type);
  }
});

test('an address, with its device', (t) => {
  const address = (flags: string, scope: string, more: readonly [number, string][] = []) =>
    deviceAddressOf(
      told(20, `02 18 ${flags} ${scope} 07000000`, [[1, 'c0000201'], [2, 'c0000201'], ...more]),
    );
  const found = {
    ifindex: 7,
    address: '192.0.2.1' as IpAddress,
    prefixLength: 24,
    isGlobal: true,
    isPreferred: true,
  };
  t.deepEqual(address('80', '00'), found);
  t.deepEqual(address('80', 'fd'), { ...found, isGlobal: false });
  for (const flags of ['81', '88', 'a0', 'c0']) {
    t.deepEqual(address(flags, '00'), { ...found, isPreferred: false }, flags);
  }
  t.deepEqual(address('c4', '00'), found, 'optimistic: in use');
  t.deepEqual(address('00', '00', [[8, '20020000']]), { ...found, isPreferred: false });
});

test('default routes of the main table', (t) => {
  const route = (header: string, attributes: readonly [number, string][]) =>
    defaultRouteDevices(told(24, header, attributes));
  const header = '02 00 00 00 fe 03 00 01 00000000';
  const table: [number, string] = [15, 'fe000000'];
  t.deepEqual(route(header, [table, [5, 'c0000201'], [4, '07000000']]), [7]);
  t.deepEqual(route(header, [[4, '07000000']]), [7], 'the table in the header');
  // Two next hops, one with a gateway.
  const hops = '10 00 00 00 07000000 0800 0500 c0000201  08 00 00 00 09000000';
  t.deepEqual(route(header, [table, [9, hops]]), [7, 9]);
  t.deepEqual(route(header, [table, [9, '04 00 00 00 07000000']]), [], 'no next hop is so short');
  const others = {
    'not a default route': '02 18 00 00 fe 03 00 01 00000000',
    unreachable: '02 00 00 00 fe 03 00 07 00000000',
    'of another table': '02 00 00 00 0a 03 00 01 00000000',
  };
  for (const [why, other] of Object.entries(others)) {
    t.deepEqual(route(other, [[4, '07000000']]), [], why);
  }
  t.deepEqual(
    route(header, [
      [15, '0a000000'],
      [4, '07000000'],
    ]),
    [],
    'of another table',
  );
});

test('a qdisc that takes filters in both directions, and one that looks like it', (t) => {
  const qdisc = (parent: string, kind: string) =>
    clsactOf(told(36, `00 000000 07000000 0000ffff ${parent} 00000000`, [[1, `"${kind}`]]));
  t.deepEqual(qdisc('f1ffffff', 'clsact'), { ifindex: 7, kind: 'clsact' });
  t.deepEqual(qdisc('f1ffffff', 'ingress'), { ifindex: 7, kind: 'ingress' });
  t.is(qdisc('ffffffff', 'fq_codel'), undefined);
  t.deepEqual(
    [...allFilters(7, 'egress').payload],
    [...hex('00 000000 07000000 00000000 f3ffffff 00000000')],
  );
});

test('whatever is told does not crash', (t) => {
  const readers: Readonly<Record<number, (message: NetlinkMessage) => unknown>> = {
    16: linkOf,
    20: deviceAddressOf,
    24: defaultRouteDevices,
    36: clsactOf,
  };
  for (const [type, read] of Object.entries(readers)) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const payload = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        read({ type: Number(type), sequence: 0, isInterrupted: false, payload });
      }),
    );
    const wrong = { type: 99, sequence: 0, isInterrupted: false };
    const answer = read({ ...wrong, payload: new DataView(new ArrayBuffer(40)) });
    t.true(answer === undefined || (Array.isArray(answer) && answer.length === 0));
  }
});
