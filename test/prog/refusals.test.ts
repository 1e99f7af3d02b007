// SPDX-License-Identifier: Apache-2.0
// What nobody serves: resets and ICMP errors, to the byte, back by the way that the packet came; and what is
// dropped without a word.

import test from 'ava';
import { ethernetFrom } from './network.ts';
import { build, type Packet, type Tcp } from './packet/packet.ts';
import { DIALLED, rowsOf, web } from './rows.ts';

const row = rowsOf(test);

/** The same frame, back. */
const BACK = { ethernet: ethernetFrom('uplink') };

for (const dialled of DIALLED) {
  row(`no endpoints at ${dialled}: TCP is reset, the rest is told by ICMP`, async (t, node, p) => {
    await node.serve(...web(p, []));
    node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, 'SYN', { seq: 1000 }), {
      verdict: 'redirect',
      packet: { ...BACK, ...p.tcp(`${dialled} > client:40000`, 'RST ACK', { ack: 1001 }) },
      counts: ['refused_no_endpoints'],
    });
    const datagram = p.udp(`client:40000 > ${dialled}`);
    const host = dialled.split(':')[0] as 'node';
    node.meets(t, 'ingress', datagram, {
      verdict: 'redirect',
      packet: { ...BACK, ...p.error(`${host} > client`, 'port unreachable', quotedOf(datagram)) },
      counts: ['refused_no_endpoints'],
    });
    t.deepEqual(node.flows(), []);
  });
}

row('SCTP without endpoints is told by ICMP', async (t, node, p) => {
  await node.serve(...web(p, []));
  const packet = p.sctp('client:9000 > external:9000');
  node.meets(t, 'ingress', packet, {
    verdict: 'redirect',
    packet: { ...BACK, ...p.error('external > client', 'port unreachable', quotedOf(packet)) },
    counts: ['refused_no_endpoints'],
  });
});

row('sequence numbers of resets are those of RFC 9293 3.10.7.1', async (t, node, p) => {
  await node.serve(...web(p, []));
  const payload = 'sent with the SYN';
  const cases: [Partial<Tcp> & { flags: string }, Partial<Tcp> & { flags: string }][] = [
    [
      { flags: 'SYN', seq: 7 },
      { flags: 'RST ACK', ack: 8 },
    ],
    [
      { flags: 'SYN', seq: 7, payload },
      { flags: 'RST ACK', ack: 8 + payload.length },
    ],
    [{ flags: 'SYN', seq: 0xffffffff }, { flags: 'RST ACK' }],
    [
      { flags: 'SYN ECE CWR', seq: 1, options: '\x02\x04\x05\xb4' },
      { flags: 'RST ACK', ack: 2 },
    ],
    [
      { flags: 'SYN', seq: 1, options: '\x01'.repeat(40), payload },
      { flags: 'RST ACK', ack: 19 },
    ],
  ];
  for (const [{ flags, ...given }, { flags: answer, ...expected }] of cases) {
    node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', flags, given), {
      verdict: 'redirect',
      packet: { ...BACK, ...p.tcp('clusterIP:80 > client:40000', answer, expected) },
      counts: ['refused_no_endpoints'],
    });
  }
});

row(
  'the middle of a connection that nobody knows: reset at a service address',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    const cases: [string, Partial<Tcp>, string, Partial<Tcp>][] = [
      ['ACK', { seq: 5, ack: 77 }, 'RST', { seq: 77 }],
      ['PSH ACK', { seq: 5, ack: 77, payload: 'hello' }, 'RST', { seq: 77 }],
      ['FIN ACK', { seq: 5, ack: 77 }, 'RST', { seq: 77 }],
      ['SYN ACK', { seq: 5, ack: 77 }, 'RST', { seq: 77 }],
      ['FIN', { seq: 5 }, 'RST ACK', { ack: 6 }],
      ['', { seq: 5, payload: 'hello' }, 'RST ACK', { ack: 10 }],
    ];
    for (const dialled of ['clusterIP:80', 'external:80', 'loadBalancer:80'] as const) {
      for (const [flags, given, answer, expected] of cases) {
        node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, flags, given), {
          verdict: 'redirect',
          packet: { ...BACK, ...p.tcp(`${dialled} > client:40000`, answer, expected) },
          counts: ['refused_unknown_flow'],
        });
      }
      // A reset is never answered (RFC 9293 3.10.7.1).
      for (const flags of ['RST', 'RST ACK']) {
        node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, flags), {
          verdict: 'pass',
          packet: 'same',
          counts: ['passed'],
        });
      }
    }
  },
);

row(
  'the same at an address of the node: the node knows; at a port of masqueraded flows: silence',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    for (const flags of ['ACK', 'FIN ACK', 'SYN ACK', 'RST']) {
      node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', flags), {
        verdict: 'pass',
        packet: 'same',
        counts: ['passed'],
      });
    }
    for (const flags of ['ACK', 'SYN ACK', 'FIN ACK', 'PSH ACK']) {
      node.meets(t, 'ingress', p.tcp('remotePod:8080 > node:61000', flags), {
        verdict: 'drop',
        counts: ['dropped_unknown_reply'],
      });
    }
    // What a CNI masquerades beyond the cluster comes back to the same address, at any port.
    for (const flags of ['ACK', 'SYN ACK', 'FIN ACK', 'PSH ACK']) {
      node.meets(t, 'ingress', p.tcp('stranger:443 > node:61000', flags), {
        verdict: 'pass',
        packet: 'same',
        counts: ['passed'],
      });
    }
    for (const port of [60_999, 61_001]) {
      node.meets(t, 'ingress', p.tcp(`remotePod:8080 > node:${port}`, 'ACK'), {
        verdict: 'pass',
        packet: 'same',
        counts: ['passed'],
      });
    }
  },
);

row(
  'ports that a clusterIP does not have are refused, other addresses of Services dropped',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:81', 'SYN', { seq: 1 }), {
      verdict: 'redirect',
      packet: { ...BACK, ...p.tcp('clusterIP:81 > client:40000', 'RST ACK', { ack: 2 }) },
      counts: ['refused_closed_port'],
    });
    for (const packet of [
      p.udp('client:40000 > clusterIP:81'),
      p.sctp('client:1 > clusterIP:81'),
    ]) {
      node.meets(t, 'ingress', packet, {
        verdict: 'redirect',
        packet: { ...BACK, ...p.error('clusterIP > client', 'port unreachable', quotedOf(packet)) },
        counts: ['refused_closed_port'],
      });
    }
    for (const packet of [
      p.tcp('client:40000 > unallocated:80', 'SYN'),
      p.udp('client:40000 > unallocated:80'),
      p.sctp('client:9000 > unallocated:80'),
      p.echo('client > unallocated'),
    ]) {
      node.meets(t, 'ingress', packet, { verdict: 'drop', counts: ['dropped_unallocated'] });
    }
    for (const dialled of ['external:81', 'loadBalancer:81', 'node:81'] as const) {
      for (const packet of [
        p.tcp(`client:1 > ${dialled}`, 'SYN'),
        p.udp(`client:1 > ${dialled}`),
      ]) {
        node.meets(t, 'ingress', packet, { verdict: 'pass', packet: 'same', counts: ['passed'] });
      }
    }
  },
);

row('what a frame is padded with is no part of the packet', async (t, node, p) => {
  await node.serve(...web(p, []));
  const trailer = '\0\0\0\0\0\0';
  node.meets(
    t,
    'ingress',
    { ...p.tcp('client:40000 > node:30080', 'SYN', { seq: 1 }), trailer },
    {
      verdict: 'redirect',
      packet: { ...BACK, ...p.tcp('node:30080 > client:40000', 'RST ACK', { ack: 2 }) },
      counts: ['refused_no_endpoints'],
    },
  );
  const datagram = p.udp('client:40000 > node:30080', { payload: '' });
  node.meets(
    t,
    'ingress',
    { ...datagram, trailer: trailer.repeat(3) },
    {
      verdict: 'redirect',
      packet: { ...BACK, ...p.error('node > client', 'port unreachable', quotedOf(datagram)) },
      counts: ['refused_no_endpoints'],
    },
  );
});

row('datagrams of any length, with and without a checksum', async (t, node, p) => {
  await node.serve(...web(p, []));
  for (const length of [0, 1, 7, 8, 100, 1400]) {
    for (const more of p.family === 'IPv4' ? [{}, { checksum: 0 }] : [{}]) {
      const datagram = p.udp('client:40000 > clusterIP:80', {
        payload: 'x'.repeat(length),
        ...more,
      });
      node.meets(t, 'ingress', datagram, {
        verdict: 'redirect',
        packet: {
          ...BACK,
          ...p.error('clusterIP > client', 'port unreachable', quotedOf(datagram)),
        },
        counts: ['refused_no_endpoints'],
      });
    }
  }
});

row('options and extensions do not keep a SYN from its reset', async (t, node, p) => {
  await node.serve(...web(p, []));
  const { verdict, packet, counts } = node.ingress(
    p.tcp('client:40000 > clusterIP:80', 'SYN', { seq: 1 }, p.longHeader),
  );
  t.is(verdict, 'redirect');
  t.deepEqual(counts, ['refused_no_endpoints']);
  t.deepEqual(packet.body, p.tcp('clusterIP:80 > client:40000', 'RST ACK', { ack: 2 }).body);
  t.like(packet.ip, { source: p.at('clusterIP'), destination: p.at('client') });
});

row('a pod is answered by its own device', async (t, node, p) => {
  await node.serve(...web(p, []));
  node.meets(
    t,
    'ingress',
    p.tcp('localPod:40000 > clusterIP:80', 'SYN', { seq: 1 }),
    {
      verdict: 'redirect',
      packet: {
        ethernet: ethernetFrom('pod'),
        ...p.tcp('clusterIP:80 > localPod:40000', 'RST ACK', { ack: 2 }),
      },
      counts: ['refused_no_endpoints'],
    },
    'pod',
  );
});

row('refusals are rationed; what is over is dropped and counted', async (t, node, p) => {
  await node.serve(...web(p, []));
  const counts = node.manyTimes('ingress', p.tcp('client:40000 > clusterIP:80', 'SYN'), 4000);
  const [refused = 0, dropped = 0] = [
    counts.get('refused_no_endpoints'),
    counts.get('dropped_refusal_limit'),
  ];
  t.is(refused + dropped, 4000);
  t.true(refused >= 1000, `${refused}`);
  t.true(dropped > 0, `${dropped}`);
});

row('a first fragment is answered by a whole packet, or not at all', async (t, node, p) => {
  await node.serve(...web(p, []));
  const fragment = { offset: 0, more: true };
  for (const packet of [
    p.tcp('client:40000 > clusterIP:80', 'SYN', { payload: 'x'.repeat(12) }, { id: 9, fragment }),
    p.udp(
      'client:40000 > clusterIP:80',
      { payload: 'x'.repeat(16), length: 100 },
      { id: 9, fragment },
    ),
  ]) {
    const { verdict, packet: answer } = node.ingress(packet);
    if (verdict === 'drop') continue;
    t.is(answer.ip?.fragment, undefined);
  }
  t.deepEqual(node.flows(), []);
});

row('who must never be answered is not: no unicast address', async (t, node, p) => {
  await node.serve(...web(p, []));
  for (const source of p.family === 'IPv4'
    ? ['0.0.0.0', '224.0.0.1', '255.255.255.255']
    : ['::', 'ff02::1']) {
    for (const packet of [
      p.tcp('client:1 > clusterIP:80', 'SYN'),
      p.udp('client:1 > clusterIP:80'),
    ]) {
      const from = { ...packet, ip: { ...packet.ip, source } } as Packet;
      t.not(node.ingress(from).verdict, 'redirect', source);
    }
  }
});

/** What an ICMP error of ours quotes: the IP header and eight bytes (RFC 792). */
function quotedOf(packet: Packet): Packet {
  const { ip } = packet;
  if (!ip) throw new Error('there is no IP header to quote');
  const headers = build({ ip, body: { protocol: 0, data: '' } }).length;
  return { ...packet, size: headers + 8 };
}
