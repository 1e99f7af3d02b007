// SPDX-License-Identifier: Apache-2.0
// What is not for a Service is left as it is, to the bit: other traffic, other hosts' frames, and whatever is
// no packet that can be read.

import test from 'ava';
import { ethernetFrom, ethernetTo } from './network.ts';
import { addressBytes } from './packet/bytes.ts';
import { build, fragmentsOf, hex, type Packet } from './packet/packet.ts';
import { Packets, type Place } from './places.ts';
import { rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const SAME = { verdict: 'pass', packet: 'same', counts: ['passed'] } as const;

function toService(p: Packets): Packet[] {
  return [
    p.tcp('client:40000 > clusterIP:80', 'SYN', { options: '\x02\x04\x05\xb4' }),
    p.udp('client:40000 > node:30080'),
    p.sctp('client:9000 > external:9000'),
    p.tcp('client:40001 > external:80', 'SYN', {}, p.longHeader),
    p.udp('client:40001 > loadBalancer:80', {}, p.longHeader),
    p.echo('client > clusterIP'),
    p.error('router > node', 'too big', p.udp('node:30080 > client:40000')),
    ...fragmentsOf(p.udp('client:7 > clusterIP:80', { payload: 'x'.repeat(40) }, { id: 3 }), 24),
  ];
}

row('traffic that is for no Service, in and out', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const others = [
    p.tcp('client:40000 > stranger:80', 'SYN'),
    p.tcp('client:40000 > node:22', 'SYN'),
    p.tcp('client:40000 > localPod:8080', 'SYN'),
    p.tcp('localPod:8080 > client:40000', 'SYN ACK'),
    p.udp('localPod:8080 > client:40000'),
    p.udp('client:40000 > node:53', { checksum: 0x1234 }),
    p.sctp('client:1 > node:2', { checksum: 1 }),
    p.echo('client > node'),
    p.opaque('client > clusterIP', 50, 'ESP to a service address'),
    p.opaque('client > node', 47, 'GRE'),
    p.opaque('client > node', 51, 'AH '),
    p.opaque('client > node', 59, ''),
    p.opaque('client > node', 136, 'UDP-Lite'),
    p.tcp('client:40000 > stranger:80', 'ACK', {}, { ...p.longHeader, ttl: 1 }),
    { body: { protocol: 0x0806, data: 'who has 198.51.100.10' } },
    { body: { protocol: 0x88cc, data: 'LLDP' } },
    p.family === 'IPv6'
      ? {
          ...p.echo('router > node'),
          body: { protocol: 'ICMP', kind: 'other', type: 135, code: 0, data: '\0'.repeat(20) },
        }
      : p.opaque('client > node', 58, 'ICMPv6 in IPv4'),
  ] as Packet[];
  for (const packet of others) {
    for (const hook of ['ingress', 'egress'] as const) {
      for (const device of ['uplink', 'pod'] as const) node.meets(t, hook, packet, SAME, device);
    }
  }
  t.deepEqual(node.flows(), []);
});

row(
  'requests on their way out, answers on their way in: not the program that they are for',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.meets(t, 'egress', p.tcp('client:40000 > clusterIP:80', 'SYN'), SAME);
    node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
    node.meets(t, 'egress', p.tcp('client:40000 > clusterIP:80', 'ACK'), SAME);
    node.meets(t, 'ingress', p.tcp('localPod:8080 > client:40000', 'SYN ACK'), SAME);
  },
);

row('frames of other hosts, to all and to many', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const { source } = ethernetTo('uplink');
  for (const destination of [
    '02:00:00:00:0f:0f',
    'ff:ff:ff:ff:ff:ff',
    '01:00:5e:00:00:01',
    '33:33:00:00:00:01',
  ]) {
    for (const packet of toService(p)) {
      node.meets(t, 'ingress', { ...packet, ethernet: { destination, source } }, SAME);
    }
  }
});

row('a bridge takes what a pod sends to the bridge', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  const { source } = ethernetTo('pod');
  const dial = p.tcp('localPod:40000 > clusterIP:80', 'SYN');
  const ethernet = { destination: '02:00:00:00:0f:0f', source };
  const { verdict, counts } = node.ingress({ ethernet, ...dial }, 'pod');
  t.deepEqual([verdict, counts], ['pass', ['flow_created', 'request_delivered']]);
});

row('frames with a VLAN tag', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  for (const packet of toService(p)) {
    for (const tags of [[7], [7, 8]]) {
      node.meets(t, 'ingress', { ...packet, ethernet: { ...ethernetTo('uplink'), tags } }, SAME);
      node.meets(t, 'egress', { ...packet, ethernet: { ...ethernetFrom('uplink'), tags } }, SAME);
    }
  }
});

row('packets that end too early, at every byte', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  // Over less than an IP header the kernel runs no program (since 6.17).
  const shortest = 14 + (p.family === 'IPv4' ? 20 : 40);
  // Of transports: what a header has at least.
  const headers: Record<string, number> = { TCP: 20, UDP: 8, SCTP: 12, ICMP: 8 };
  for (const packet of toService(p).filter(({ ip }) => !ip?.fragment)) {
    const frame = build({ ethernet: ethernetTo('uplink'), ...packet });
    const { ip } = packet;
    const start = ip
      ? build({ ethernet: ethernetTo('uplink'), ip, body: { protocol: 0, data: '' } }).length
      : 14;
    const enough = start + (headers[`${packet.body.protocol}`] ?? 0);
    for (let size = shortest; size < enough; size++) {
      const cut = frame.subarray(0, size);
      const outcome = node.ingress(cut);
      const found = [size, outcome.verdict, outcome.counts, outcome.bytes.equals(cut)];
      t.deepEqual(found, [size, 'pass', ['passed'], true], `${packet.body.protocol}`);
    }
  }
  t.deepEqual(node.flows(), []);
});

row('headers that make no sense', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const frame = build({ ethernet: ethernetTo('uplink'), ...p.udp('client:40000 > clusterIP:80') });
  const changed = (at: number, value: number) => {
    const bytes = Buffer.from(frame);
    bytes[14 + at] = value;
    return bytes;
  };
  const broken =
    p.family === 'IPv4'
      ? [changed(0, 0x65), changed(0, 0x05), changed(0, 0x44), changed(0, 0x40), changed(0, 0x4f)]
      : [changed(0, 0x40), changed(0, 0x00), changed(0, 0xf0)];
  for (const bytes of broken) node.meets(t, 'ingress', bytes, SAME);
  t.deepEqual(node.flows(), []);
});

row('IPv4-mapped addresses in IPv6 packets are no addresses of IPv4', async (t, node, p) => {
  if (p.family === 'IPv4') {
    t.pass();
    return;
  }
  const ipv4 = new Packets('IPv4');
  await node.serve(...web(ipv4, ['localPod']));
  const frame = build({ ethernet: ethernetTo('uplink'), ...p.udp('client:40000 > clusterIP:80') });
  const mapped = (place: Place) =>
    Buffer.concat([hex('00000000000000000000ffff'), addressBytes(ipv4.at(place))]);
  for (const ends of [
    [mapped('client'), mapped('clusterIP')],
    [addressBytes(p.at('client')), mapped('clusterIP')],
    [mapped('client'), mapped('node')],
  ]) {
    const bytes = Buffer.from(frame);
    Buffer.concat(ends).copy(bytes, 14 + 8);
    node.meets(t, 'ingress', bytes, SAME);
    node.meets(t, 'egress', bytes, SAME);
  }
  t.deepEqual(node.flows(), []);
});

row('extension headers without end', async (t, node, p) => {
  if (p.family === 'IPv4') {
    t.pass();
    return;
  }
  await node.serve(...web(p, ['localPod']));
  const extensions = Array.from({ length: 12 }, () => ({ kind: 'destination options' }) as const);
  const dial = p.tcp('client:40000 > clusterIP:80', 'SYN', {}, { extensions });
  node.meets(t, 'ingress', dial, SAME);
  // The last one says that it is longer than the packet.
  const long = build({
    ethernet: ethernetTo('uplink'),
    ...p.tcp('client:40000 > clusterIP:80', 'SYN', {}, { extensions: extensions.slice(0, 1) }),
  });
  long[14 + 40 + 1] = 200;
  node.meets(t, 'ingress', long, SAME);
});

row('without Services nothing is anybody else’s than the stack’s', async (t, node, p) => {
  await node.serve();
  for (const packet of toService(p)) {
    if (packet.ip?.destination === p.at('clusterIP')) continue;
    node.meets(t, 'ingress', packet, SAME);
    node.meets(t, 'egress', packet, SAME);
  }
});
