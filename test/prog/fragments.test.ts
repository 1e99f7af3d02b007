// SPDX-License-Identifier: Apache-2.0
// Fragments: only the first one has ports, all of them must get the same ends.

import test from 'ava';
import { build, fragmentsOf, type Packet, parse } from './packet/packet.ts';
import type { Hook } from './packet-node.ts';
import type { Packets, Way } from './places.ts';
import { rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const PAYLOAD = Array.from({ length: 200 }, (_, i) => String.fromCharCode(i)).join('');

/** In four fragments. */
function parts(packet: Packet): Packet[] {
  return fragmentsOf(packet, 64, 48, 80);
}

/** Transports, each as it is sent in fragments. */
const SENT: Record<string, (p: Packets, way: Way, ttl?: number) => Packet> = {
  UDP: (p, way, ttl = 64) => p.udp(way, { payload: PAYLOAD }, { id: 4711, ttl }),
  TCP: (p, way, ttl = 64) => p.tcp(way, 'SYN', { payload: PAYLOAD, seq: 5 }, { id: 4711, ttl }),
};

for (const [name, sent] of Object.entries(SENT)) {
  row(
    `${name} in fragments, served here: all reach the pod, and all of the answer the client`,
    async (t, node, p) => {
      await node.serve(...web(p, ['localPod']));
      const shown = async (
        hook: Hook,
        given: Packet,
        expected: Packet,
        first: string[],
        all: string,
      ) => {
        const whole = parts(expected);
        for (const [i, fragment] of parts(given).entries()) {
          node.meets(t, hook, fragment, {
            verdict: 'pass',
            packet: whole[i] as Packet,
            counts: [...(i ? ['later_fragment'] : ['first_fragment', ...first]), all],
          });
        }
      };
      await shown(
        'ingress',
        sent(p, 'client:40000 > clusterIP:80'),
        sent(p, 'client:40000 > localPod:8080'),
        ['flow_created'],
        'request_delivered',
      );
      await shown(
        'egress',
        sent(p, 'localPod:8080 > client:40000'),
        sent(p, 'clusterIP:80 > client:40000'),
        [],
        'reply_delivered',
      );
    },
  );

  row(`${name} in fragments, served elsewhere`, async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    const ways = [
      ['client:40000 > node:30080', 'node:61000 > remotePod:8080', 'request_redirected'],
      ['remotePod:8080 > node:61000', 'node:30080 > client:40000', 'reply_redirected'],
    ] as const;
    for (const [given, expected, all] of ways) {
      const whole = parts(sent(p, expected, 63));
      for (const [i, fragment] of parts(sent(p, given)).entries()) {
        const first = all === 'request_redirected' ? ['flow_created'] : [];
        node.meets(t, 'ingress', fragment, {
          verdict: 'redirect',
          packet: whole[i] as Packet,
          counts: [...(i ? ['later_fragment'] : ['first_fragment', ...first]), all],
        });
      }
    }
  });
}

row('later fragments whose first one has not been seen are left alone', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const [, ...later] = parts(p.udp('client:40000 > clusterIP:80', { payload: PAYLOAD }, { id: 1 }));
  for (const fragment of later) {
    node.meets(t, 'ingress', fragment, { verdict: 'pass', packet: 'same', counts: ['passed'] });
  }
});

row('fragments of two packets do not mix: by id, by client, by protocol', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  // An id is one of a protocol in IPv4 (RFC 791), of both ends alone in IPv6 (RFC 8200 4.5).
  const ofTcp = p.family === 'IPv4' ? 1 : 5;
  const sent = {
    one: p.udp('client:40000 > clusterIP:80', { payload: PAYLOAD }, { id: 1 }),
    two: p.udp('client:40002 > node:30080', { payload: PAYLOAD }, { id: 1 }),
    three: p.udp('client:40003 > clusterIP:80', { payload: PAYLOAD }, { id: 2 }),
    four: p.udp('otherClient:40000 > clusterIP:80', { payload: PAYLOAD }, { id: 1 }),
    five: p.tcp('client:40000 > clusterIP:80', 'SYN', { payload: PAYLOAD }, { id: ofTcp }),
  };
  for (const packet of Object.values(sent)) node.ingress(parts(packet)[0] as Packet);
  t.is(node.fragmentsKnown, 5);
  const unknown = p.udp('client:40000 > clusterIP:80', { payload: PAYLOAD }, { id: 3 });
  for (const packet of Object.values(sent)) {
    t.deepEqual(node.ingress(parts(packet)[1] as Packet).counts, [
      'later_fragment',
      'request_delivered',
    ]);
  }
  t.deepEqual(node.ingress(parts(unknown)[1] as Packet).counts, ['passed']);
});

row('fragments that are for no Service are left alone and not remembered', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  for (const hook of ['ingress', 'egress'] as const) {
    for (const fragment of parts(
      p.udp('client:40000 > stranger:80', { payload: PAYLOAD }, { id: 1 }),
    )) {
      node.meets(t, hook, fragment, { verdict: 'pass', packet: 'same', counts: ['passed'] });
    }
  }
  t.is(node.fragmentsKnown, 0);
});

row('a first fragment too short for its ports and flags is left alone', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const packet = p.tcp('client:40000 > clusterIP:80', 'SYN', { payload: PAYLOAD }, { id: 1 });
  for (const fragment of fragmentsOf(packet, 8, 64)) {
    node.meets(t, 'ingress', fragment, { verdict: 'pass', packet: 'same', counts: ['passed'] });
  }
});

row('no checksum stays no checksum, in fragments too', async (t, node, p) => {
  if (p.family === 'IPv6') {
    t.pass();
    return;
  }
  await node.serve(...web(p, ['localPod']));
  const more = { payload: PAYLOAD, checksum: 0 };
  const whole = parts(p.udp('client:40000 > localPod:8080', more, { id: 1 }));
  for (const [i, fragment] of parts(
    p.udp('client:40000 > clusterIP:80', more, { id: 1 }),
  ).entries()) {
    t.deepEqual(node.ingress(fragment).packet, parse(build(whole[i] as Packet), 'ip'));
  }
});

row('a fragment that is all there is, is a whole packet (RFC 6946)', async (t, node, p) => {
  if (p.family === 'IPv4') {
    t.pass();
    return;
  }
  await node.serve(...web(p, ['localPod']));
  const atomic = { id: 7, fragment: { offset: 0, more: false } };
  node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', 'SYN', {}, atomic), {
    verdict: 'pass',
    packet: p.tcp('client:40000 > localPod:8080', 'SYN', {}, atomic),
    counts: ['flow_created', 'request_delivered'],
  });
  t.is(node.fragmentsKnown, 0);
});

row(
  'extensions that are cut with the rest: later fragments name them, not what is behind',
  async (t, node, p) => {
    if (p.family === 'IPv4') {
      t.pass();
      return;
    }
    await node.serve(...web(p, ['localPod']));
    const ip = { id: 9, fragmentedExtensions: [{ kind: 'destination options' }] } as const;
    const sent = p.udp('client:40000 > clusterIP:80', { payload: PAYLOAD }, ip);
    const whole = parts(p.udp('client:40000 > localPod:8080', { payload: PAYLOAD }, ip));
    for (const [i, fragment] of parts(sent).entries()) {
      const first = i ? ['later_fragment'] : ['first_fragment', 'flow_created'];
      node.meets(t, 'ingress', fragment, {
        verdict: 'pass',
        packet: whole[i] as Packet,
        counts: [...first, 'request_delivered'],
      });
    }
  },
);

row(
  'an id that comes again is of another packet, also of one that is nobody’s',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    const to = (way: Way) => p.udp(way, { payload: PAYLOAD }, { id: 4711 });
    for (const fragment of parts(to('client:40000 > node:30080'))) {
      t.not(node.ingress(fragment).packet.ip?.destination, p.at('node'));
    }
    for (const fragment of parts(to('client:500 > node:500'))) {
      node.meets(t, 'ingress', fragment, { verdict: 'pass', packet: 'same', counts: ['passed'] });
    }
  },
);
