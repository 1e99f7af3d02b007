// SPDX-License-Identifier: Apache-2.0
// The builder and the parser of packets, against packets that a kernel sent: captured on a veth pair without
// checksum offload (Linux 6.18). And against figures of RFCs.

import test from 'ava';
import { address } from '../../helpers/objects.ts';
import { crc32c, internetChecksum } from './checksum.ts';
import {
  build,
  bytesOf,
  checksumProblems,
  fragmentsOf,
  hex,
  type IpHeader,
  type Packet,
  parse,
  textOf,
} from './packet.ts';

const [A, B] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
const TO_B = { destination: B, source: A };
const TO_A = { destination: A, source: B };

const IPV4 = ends('192.0.2.1', '192.0.2.2');
const IPV6 = ends('2001:db8::1', '2001:db8::2');
const UDP = { protocol: 'UDP', source: 5353, destination: 53, payload: 'a datagram' } as const;

/** Every other number is as the kernel chose it. */
const CAPTURED: Record<string, { bytes: string; packet: Packet }> = {
  'IPv4 SYN': {
    bytes: `020000000002020000000001080045 00003c019640004006b522c0000201c0000202
      d2221f90b602d74000000000a002faf0b8ae0000020405b40402080ab617db4b000000000103030a`,
    packet: {
      ethernet: TO_B,
      ip: { ...IPV4.there, id: 0x196, dontFragment: true },
      body: {
        protocol: 'TCP',
        source: 53794,
        destination: 8080,
        flags: 'SYN',
        seq: 0xb602d740,
        window: 64240,
        options: textOf(hex('020405b40402080ab617db4b000000000103030a')),
      },
    },
  },
  'IPv4 SYN ACK': {
    bytes: `02000000000102000000000208004500003c000040004006b6b8c0000202c0000201
      1f90d222fc7f545eb602d741a012fe88176a0000020405b40402080aa4bca800b617db4b0103030a`,
    packet: {
      ethernet: TO_A,
      ip: { ...IPV4.back, dontFragment: true },
      body: {
        protocol: 'TCP',
        source: 8080,
        destination: 53794,
        flags: 'SYN ACK',
        seq: 0xfc7f545e,
        ack: 0xb602d741,
        window: 65160,
        options: textOf(hex('020405b40402080aa4bca800b617db4b0103030a')),
      },
    },
  },
  'IPv6 TCP with a payload': {
    bytes: `02000000000202000000000186dd6007c0a70025064020010db8000000000000000000000001
      20010db8000000000000000000000002874c1f903cc7c2cd327f2556801800400e4b0000
      0101080a57d004b1c180ac9568656c6c6f`,
    packet: {
      ethernet: TO_B,
      ip: { ...IPV6.there, flowLabel: 0x7c0a7 },
      body: {
        protocol: 'TCP',
        source: 34636,
        destination: 8080,
        flags: 'PSH ACK',
        seq: 0x3cc7c2cd,
        ack: 0x327f2556,
        window: 64,
        options: textOf(hex('0101080a57d004b1c180ac95')),
        payload: 'hello',
      },
    },
  },
  'IPv4 UDP': {
    bytes: `020000000002020000000001080045000026728640004011443dc0000201c0000202
      14e90035001263e56120646174616772616d`,
    packet: {
      ethernet: TO_B,
      ip: { ...IPV4.there, id: 0x7286, dontFragment: true },
      body: UDP,
    },
  },
  'IPv4 port unreachable': {
    bytes: `020000000001020000000002080045c000423a5200004001bba5c0000202c000020103038124
      0000000045000026728640004011443dc0000201c000020214e90035001263e56120646174616772616d`,
    packet: {
      ethernet: TO_A,
      ip: { ...IPV4.back, id: 0x3a52, trafficClass: 0xc0 },
      body: {
        protocol: 'ICMP',
        kind: 'port unreachable',
        quoted: { ip: { ...IPV4.there, id: 0x7286, dontFragment: true }, body: UDP },
      },
    },
  },
  'IPv6 port unreachable': {
    bytes: `02000000000102000000000286dd600b778b00423a4020010db8000000000000000000000002
      20010db80000000000000000000000010104ccfb00000000600764d800121140
      20010db800000000000000000000000120010db8000000000000000000000002
      14e9003500128c746120646174616772616d`,
    packet: {
      ethernet: TO_A,
      ip: { ...IPV6.back, flowLabel: 0xb778b },
      body: {
        protocol: 'ICMP',
        kind: 'port unreachable',
        quoted: { ip: { ...IPV6.there, flowLabel: 0x764d8 }, body: UDP },
      },
    },
  },
};

for (const [name, { bytes, packet }] of Object.entries(CAPTURED)) {
  test(`${name}: as a kernel sent it`, (t) => {
    t.is(build(packet).toString('hex'), hex(bytes).toString('hex'));
    t.deepEqual(parse(hex(bytes)), packet);
    t.deepEqual(checksumProblems(hex(bytes)), []);
  });
}

test('fragments are as a kernel sends them', (t) => {
  // The first 32 bytes of the data; the rest went the same way.
  const payload = String.fromCharCode(...Array.from({ length: 1536 }, (_, i) => i & 0xff));
  const body = { protocol: 'UDP', source: 5353, destination: 9, payload } as const;
  const [first, second] = fragmentsOf({ ip: { ...IPV4.there, id: 0x7287 }, body }, 1480).map(build);
  t.is(
    first?.subarray(0, 32).toString('hex'),
    '450005dc7287200040115e86c0000201c000020214e900090608d96900010203',
  );
  t.is(second?.subarray(0, 24).toString('hex'), '45000054728700b940118355c0000201c0000202c0c1c2c3');
  const inIpv6 = { ip: { ...IPV6.there, flowLabel: 0x643f1, id: 0x17d67bd4 }, body };
  const [firstIpv6, secondIpv6] = fragmentsOf(inIpv6, 1448).map(build);
  t.is(
    firstIpv6?.subarray(0, 60).toString('hex'),
    '600643f105b02c4020010db800000000000000000000000120010db80000000000000000000000021100000117d67bd414e90009060801f900010203',
  );
  t.is(
    secondIpv6?.subarray(0, 52).toString('hex'),
    '600643f100682c4020010db800000000000000000000000120010db8000000000000000000000002110005a817d67bd4a0a1a2a3',
  );
});

test('checksums of RFCs', (t) => {
  // RFC 1071 section 3: the sum is ddf2.
  t.is(internetChecksum(hex('0001f203f4f5f6f7')), 0xffff - 0xddf2);
  // The check value of CRC-32C in catalogues, and RFC 3720 B.4; SCTP sends its bytes from the lowest.
  t.is(crc32c(Buffer.from('123456789')), 0x839206e3);
  t.is(crc32c(Buffer.alloc(32)), 0xaa36918a);
});

test('whatever a description says survives', (t) => {
  const tcp = {
    protocol: 'TCP',
    source: 1,
    destination: 2,
    flags: 'SYN ECE CWR',
    reserved: 1,
    urgent: 3,
    checksum: 4,
  } as const;
  const sctp = { protocol: 'SCTP', source: 1, destination: 2, tag: 3, chunks: 'abcd' } as const;
  const ethernet = { ...TO_B, tags: [0x2064] };
  const packets: Packet[] = [
    { ip: { ...IPV4.there, options: '\x01\x01\x01\0', checksum: 1, ttl: 1 }, body: tcp },
    { ip: IPV4.there, body: { protocol: 50, data: 'opaque' } },
    { ip: { ...IPV4.there, length: 1400 }, body: sctp, trailer: '' },
    { ip: IPV4.there, body: { ...UDP, checksum: 0 }, trailer: '\0\0\0' },
    {
      ip: { ...IPV4.there, fragment: { offset: 8, more: true } },
      body: { protocol: 6, data: 'a' },
    },
    { ip: IPV6.there, body: { ...UDP, length: 0 } },
    {
      ip: {
        ...IPV6.there,
        extensions: [
          { kind: 'hop-by-hop', data: '\x01\x04\0\0\0\0' },
          { kind: 'routing', data: '\x04\0\0\0\0\0' },
        ],
        id: 7,
        fragment: { offset: 0, more: false },
        fragmentedExtensions: [{ kind: 'destination options', data: '\x01\x04\0\0\0\0' }],
      },
      body: sctp,
    },
    { ip: IPV6.there, body: { protocol: 'ICMP', kind: 'echo request', id: 1, sequence: 2 } },
    { ip: IPV6.there, body: { protocol: 'ICMP', kind: 'other', type: 135, code: 0, data: '1234' } },
  ].map(({ trailer, ...packet }) => ({ ...packet, ...(trailer ? { trailer } : {}) }) as Packet);
  for (const packet of packets) {
    t.deepEqual(parse(build(packet), 'ip'), packet);
    t.deepEqual(parse(build({ ethernet, ...packet })), { ethernet, ...packet });
  }
  const arp = { ethernet, body: { protocol: 0x0806, data: 'who has' } };
  t.deepEqual(parse(build(arp)), arp);
});

test('a quote may be short', (t) => {
  for (const { there, back } of [IPV4, IPV6]) {
    for (const protocol of ['TCP', 'UDP'] as const) {
      const body = {
        ...UDP,
        protocol,
        flags: 'ACK',
        seq: 77,
        options: '\x01\x01\x01\x01',
      } as const;
      const whole = build({ ip: there, body });
      const headers = whole.length - build({ ip: there, body: { protocol: 0, data: '' } }).length;
      for (let size = whole.length; size >= whole.length - headers; size--) {
        const error: Packet = {
          ip: back,
          body: {
            protocol: 'ICMP',
            kind: 'too big',
            value: 1400,
            quoted: { ip: there, body, size },
          },
        };
        const bytes = build(error);
        const parsed = parse(bytes, 'ip');
        t.deepEqual(build(parsed), bytes);
        t.deepEqual(parse(build(parsed), 'ip'), parsed);
        t.deepEqual(checksumProblems(bytes, 'ip'), []);
        if (size - (whole.length - headers) < 4) continue;
        t.like(parsed.body, { value: 1400, quoted: { ip: there, body: { source: 5353 } } });
      }
    }
  }
});

test('every wrong checksum is told', (t) => {
  const quoted: Packet = { ip: { ...IPV4.there, checksum: 1 }, body: { ...UDP, checksum: 1 } };
  const problems = (packet: Packet) => checksumProblems(build(packet), 'ip');
  t.deepEqual(
    problems({
      ip: { ...IPV4.back, checksum: 2 },
      body: { protocol: 'ICMP', kind: 'port unreachable', quoted, checksum: 2 },
    }),
    ['IPv4 header', 'ICMP', 'quoted IPv4 header', 'quoted UDP'],
  );
  t.deepEqual(problems({ ip: IPV6.there, body: { ...UDP, checksum: 0 } }), ['UDP has none']);
  t.deepEqual(problems({ ip: IPV4.there, body: { ...UDP, checksum: 0 } }), []);
  const sctp = { protocol: 'SCTP', source: 1, destination: 2, checksum: 1 } as const;
  t.deepEqual(problems({ ip: IPV6.there, body: sctp }), ['SCTP']);
  const tcp = { protocol: 'TCP', source: 1, destination: 2, flags: '', checksum: 1 } as const;
  t.deepEqual(problems({ ip: IPV6.there, body: tcp }), ['TCP']);
});

test('nothing that is no packet breaks it', (t) => {
  for (const { bytes } of Object.values(CAPTURED)) {
    const whole = hex(bytes);
    for (let size = 0; size <= whole.length; size++) {
      t.notThrows(() => [
        parse(whole.subarray(0, size)),
        checksumProblems(whole.subarray(0, size)),
      ]);
    }
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 0xff]) {
        const changed = Buffer.from(whole);
        changed[at] = value;
        t.notThrows(() => [parse(changed), checksumProblems(changed)]);
      }
    }
  }
  t.deepEqual(parse(bytesOf('')), { body: { protocol: 0, data: '' } });
});

function ends(one: string, other: string): Record<'there' | 'back', IpHeader> {
  const [source, destination] = [address(one), address(other)];
  return { there: { source, destination }, back: { source: destination, destination: source } };
}
