// SPDX-License-Identifier: Apache-2.0
// ICMP: errors about translated packets, which must name what their receiver sent; and echo.

import test from 'ava';
import { prefixes } from '../helpers/objects.ts';
import { ethernetFrom } from './network.ts';
import type { IcmpErrorKind, Packet } from './packet/packet.ts';
import type { Packets, Way } from './places.ts';
import { rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const KINDS: readonly [IcmpErrorKind, number][] = [
  ['port unreachable', 0],
  ['host unreachable', 0],
  ['prohibited', 0],
  ['too big', 1400],
  ['time exceeded', 0],
  ['parameter problem', 40],
];

/** Packets that are quoted: of each transport, whole, and as short as routers make them. */
function quotes(p: Packets): ((way: Way) => Packet)[] {
  const headers = p.family === 'IPv4' ? 20 : 40;
  const tcp = (way: Way) => p.tcp(way, 'ACK', { seq: 7, payload: 'hello' }, { ttl: 9 });
  const udp = (way: Way) => p.udp(way, { payload: 'odd' }, { ttl: 9 });
  return [
    tcp,
    udp,
    (way) => ({ ...tcp(way), size: headers + 20 }),
    (way) => ({ ...udp(way), size: headers + 8 }),
    (way) => ({ ...udp(way), size: headers + 9 }),
    (way) => p.udp(way, { payload: 'x'.repeat(100) }, { ...p.longHeader, ttl: 9 }),
    (way) => p.tcp(way, 'ACK', {}, { ...p.longHeader, ttl: 9 }),
    ...(p.family === 'IPv4' ? [(way: Way) => p.udp(way, { checksum: 0 })] : []),
  ];
}

row('served here: what the pod or somebody behind it says of the request', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
  node.ingress(p.udp('client:40000 > clusterIP:80'));
  for (const [kind, value] of KINDS) {
    for (const quote of quotes(p)) {
      const met = quote('client:40000 > localPod:8080');
      const sent = quote('client:40000 > clusterIP:80');
      const more = value ? { value } : {};
      node.meets(t, 'egress', p.error('localPod > client', kind, met, more), {
        verdict: 'pass',
        packet: p.error('clusterIP > client', kind, sent, more),
        counts: ['icmp_error_translated'],
      });
      node.meets(t, 'egress', p.error('secondLocalPod > client', kind, met, more), {
        verdict: 'pass',
        packet: p.error('secondLocalPod > client', kind, sent, more),
        counts: ['icmp_error_translated'],
      });
    }
  }
});

row('served here: what the client or a router says of the answer', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
  node.ingress(p.udp('client:40000 > node:30080'));
  for (const [kind, value] of KINDS) {
    for (const quote of quotes(p)) {
      for (const teller of ['router', 'client'] as const) {
        const met = quote('node:30080 > client:40000');
        const sent = quote('localPod:8080 > client:40000');
        const more = value ? { value } : {};
        node.meets(t, 'ingress', p.error(`${teller} > node`, kind, met, more), {
          verdict: 'pass',
          packet: p.error(`${teller} > localPod`, kind, sent, more),
          counts: ['icmp_error_translated'],
        });
      }
    }
  }
});

row('served elsewhere: what is said of the request, sent on to the client', async (t, node, p) => {
  await node.usePorts({ first: 61_000, count: 1 });
  await node.serve(...web(p, ['remotePod']));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  node.ingress(p.udp('client:40000 > external:80'));
  for (const [kind, value] of KINDS) {
    for (const quote of quotes(p)) {
      for (const teller of ['remotePod', 'otherNode'] as const) {
        const met = quote('node:61000 > remotePod:8080');
        const sent = quote('client:40000 > external:80');
        const more = value ? { value } : {};
        node.meets(t, 'ingress', p.error(`${teller} > node`, kind, met, more), {
          verdict: 'redirect',
          packet: p.error('external > client', kind, sent, more, { ttl: 63 }),
          counts: ['icmp_error_translated'],
        });
      }
    }
  }
});

row('served elsewhere: what is said of the answer, sent on to the backend', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  node.ingress(p.udp('client:40000 > external:80'));
  for (const [kind, value] of KINDS) {
    for (const quote of quotes(p)) {
      for (const teller of ['router', 'client'] as const) {
        const met = quote('external:80 > client:40000');
        const sent = quote('remotePod:8080 > node:61000');
        const more = value ? { value } : {};
        node.meets(t, 'ingress', p.error(`${teller} > external`, kind, met, more), {
          verdict: 'redirect',
          packet: p.error('node > remotePod', kind, sent, more, { ttl: 63 }),
          counts: ['icmp_error_translated'],
        });
      }
    }
  }
});

row('a quote of eight bytes of TCP has the ports, and is enough', async (t, node, p) => {
  const size = (p.family === 'IPv4' ? 20 : 40) + 8;
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
  const met = { ...p.tcp('node:30080 > client:40000', 'ACK', { seq: 7 }), size };
  const sent = { ...p.tcp('localPod:8080 > client:40000', 'ACK', { seq: 7 }), size };
  node.meets(t, 'ingress', p.error('router > node', 'too big', met, { value: 1400 }), {
    verdict: 'pass',
    packet: p.error('router > localPod', 'too big', sent, { value: 1400 }),
    counts: ['icmp_error_translated'],
  });
});

row(
  'an error for whom there is no way to is dropped, and one thing counted',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    node.ingress(p.udp('unreachablePod:40000 > external:80'));
    const met = p.udp('node:61000 > remotePod:8080');
    node.meets(t, 'ingress', p.error('remotePod > node', 'port unreachable', met), {
      verdict: 'drop',
      counts: ['dropped_no_route'],
    });
  },
);

row('errors about SCTP', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.sctp('client:9000 > external:9000'));
  node.meets(
    t,
    'egress',
    p.error('localPod > client', 'port unreachable', p.sctp('client:9000 > localPod:9000')),
    {
      verdict: 'pass',
      packet: p.error(
        'external > client',
        'port unreachable',
        p.sctp('client:9000 > external:9000'),
      ),
      counts: ['icmp_error_translated'],
    },
  );
});

row('a wrong checksum of an error stays wrong', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.udp('client:40000 > node:30080'));
  const error = p.error('router > node', 'too big', p.udp('node:30080 > client:40000'), {
    value: 1400,
    checksum: 0x1234,
  });
  const { body } = node.ingress(error).packet;
  t.is(typeof (body as { checksum?: number }).checksum, 'number');
});

row(
  'errors that are about nothing of ours, or cannot be read, are left alone',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.ingress(p.udp('client:40000 > node:30080'));
    const headers = p.family === 'IPv4' ? 20 : 40;
    const reply = p.udp('node:30080 > client:40000');
    const laterFragment = {
      ...reply,
      ip: { ...reply.ip, fragment: { offset: 8, more: false } },
    } as Packet;
    const about = [
      p.udp('node:30081 > client:40000'),
      p.udp('node:30080 > client:40001'),
      p.tcp('node:30080 > client:40000', 'ACK'),
      p.echo('node > client'),
      p.error('node > client', 'port unreachable', p.udp('client:40000 > node:30080')),
      laterFragment,
      ...[0, 1, headers - 1, headers, headers + 3].map((size) => ({ ...reply, size })),
    ];
    for (const quoted of about) {
      for (const hook of ['ingress', 'egress'] as const) {
        node.meets(t, hook, p.error('router > node', 'too big', quoted, { value: 1400 }), {
          verdict: 'pass',
          packet: 'same',
          counts: ['passed'],
        });
      }
    }
  },
);

row('echo to service addresses is answered, whatever its size', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  for (const place of ['clusterIP', 'external', 'loadBalancer'] as const) {
    for (const payload of ['', 'x', 'ping', 'y'.repeat(1001)]) {
      node.meets(
        t,
        'ingress',
        p.echo(`client > ${place}`, 'echo request', { payload }, { ttl: 9 }),
        {
          verdict: 'redirect',
          packet: {
            ethernet: ethernetFrom('uplink'),
            ...p.echo(`${place} > client`, 'echo reply', { payload }),
          },
          counts: ['echo_answered'],
        },
      );
    }
    node.meets(t, 'ingress', p.echo(`client > ${place}`, 'echo reply'), {
      verdict: 'pass',
      packet: 'same',
      counts: ['passed'],
    });
  }
});

row('echo through options and extensions', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const { verdict, packet, counts } = node.ingress(
    p.echo('client > clusterIP', 'echo request', {}, p.longHeader),
  );
  t.deepEqual([verdict, counts], ['redirect', ['echo_answered']]);
  t.deepEqual(packet.body, p.echo('clusterIP > client', 'echo reply').body);
});

row(
  'echo to the node, to pods and to anybody else is left alone; and in fragments',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    for (const place of ['node', 'narrowNode', 'localPod', 'remotePod', 'stranger'] as const) {
      node.meets(t, 'ingress', p.echo(`client > ${place}`), {
        verdict: 'pass',
        packet: 'same',
        counts: ['passed'],
      });
    }
    const fragment = { offset: 0, more: true };
    node.meets(
      t,
      'ingress',
      p.echo('client > clusterIP', 'echo request', {}, { id: 5, fragment }),
      {
        verdict: 'pass',
        packet: 'same',
        counts: ['passed'],
      },
    );
  },
);

row(
  'echo of the node and its pods: a clusterIP answers, other addresses may be real',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    const { verdict, packet, counts } = node.egress(p.echo('localPod > clusterIP'));
    t.deepEqual([verdict, counts], ['redirect', ['echo_answered']]);
    t.deepEqual(packet.body, p.echo('clusterIP > localPod', 'echo reply').body);
    for (const place of ['external', 'loadBalancer', 'unallocated', 'stranger'] as const) {
      node.meets(t, 'egress', p.echo(`localPod > ${place}`), {
        verdict: 'pass',
        packet: 'same',
        counts: ['passed'],
      });
    }
  },
);

row('echo from outside the source ranges of a load balancer is dropped', async (t, node, p) => {
  const range = p.family === 'IPv4' ? '203.0.113.7/32' : `${p.at('client')}/128`;
  await node.serve(...web(p, ['localPod'], { loadBalancerSourceRanges: prefixes(range) }));
  t.is(node.ingress(p.echo('client > loadBalancer')).verdict, 'redirect');
  node.meets(t, 'ingress', p.echo('otherClient > loadBalancer'), {
    verdict: 'drop',
    counts: ['dropped_source_not_allowed'],
  });
});
