// SPDX-License-Identifier: Apache-2.0
// Packets all the way: what one program lets out is what the next one, or the other end, gets. Each end
// answers what it saw, and the client must hear from the address that it dialled.

import test, { type ExecutionContext } from 'ava';
import type { Device } from './network.ts';
import { NARROW_MTU } from './network.ts';
import { build, checksumProblems, type Packet, parse } from './packet/packet.ts';
import type { Hook, PacketNode } from './packet-node.ts';
import type { Packets } from './places.ts';
import { DIALLED, rowsOf, web } from './rows.ts';

const row = rowsOf(test);

/** A way through programs, with what the stack does between them. */
type Leg = readonly [Hook, Device, verdict: 'pass' | 'redirect'];

/** Where a backend is, and how packets get there and back. */
const WAYS: Record<string, { readonly to: readonly Leg[]; readonly back: readonly Leg[] }> = {
  localPod: { to: [['ingress', 'uplink', 'pass']], back: [['egress', 'uplink', 'pass']] },
  remotePod: { to: [['ingress', 'uplink', 'redirect']], back: [['ingress', 'uplink', 'redirect']] },
  narrowPod: { to: [['ingress', 'uplink', 'redirect']], back: [['ingress', 'narrow', 'redirect']] },
};

/** The packet as it is behind the last leg. */
function travel(
  t: ExecutionContext,
  node: PacketNode,
  packet: Packet,
  legs: readonly Leg[],
): Packet {
  return legs.reduce((before, [hook, device, verdict]) => {
    const outcome = node.run(hook, before, device);
    t.is(outcome.verdict, verdict, outcome.counts.join());
    t.deepEqual(checksumProblems(outcome.bytes), []);
    return outcome.packet;
  }, packet);
}

/** What its receiver sends back. */
function answerTo({ ip, body }: Packet, more: Partial<Packet['body']> = {}): Packet {
  if (!ip || !('source' in body)) throw new Error('this is not to be answered');
  const { source, destination } = ip;
  const ends = { source: body.destination, destination: body.source };
  return {
    ip: { source: destination, destination: source },
    body: { ...body, ...ends, ...more } as Packet['body'],
  };
}

for (const [pod, { to, back }] of Object.entries(WAYS)) {
  const place = pod as 'localPod' | 'remotePod' | 'narrowPod';
  for (const dialled of DIALLED) {
    row(
      `a TCP connection to ${dialled} with ${pod}, from SYN to the last ACK`,
      async (t, node, p) => {
        await node.serve(...web(p, [place]));
        const request = (flags: string, more = {}) =>
          travel(t, node, p.tcp(`client:40000 > ${dialled}`, flags, more), to);
        const reply = (seen: Packet, flags: string, more = {}) => {
          const heard = travel(t, node, answerTo(seen, { flags, ...more }), back);
          t.like(heard.body, p.tcp(`${dialled} > client:40000`, flags).body);
          t.like(heard.ip, { source: answerSource(p, dialled), destination: p.at('client') });
          return heard;
        };
        const syn = request('SYN', { seq: 100 });
        t.is(syn.ip?.destination, p.at(place));
        reply(syn, 'SYN ACK', { seq: 900, ack: 101 });
        const ends = (packet: Packet) =>
          [packet.ip?.source, packet.ip?.destination, packet.body].map(portsOf);
        for (const seen of [
          request('ACK', { seq: 101, ack: 901 }),
          request('PSH ACK', { seq: 101, ack: 901, payload: 'GET / HTTP/1.1\r\n' }),
        ]) {
          t.deepEqual(ends(seen), ends(syn));
        }
        reply(syn, 'PSH ACK', { payload: 'HTTP/1.1 200 OK\r\n' });
        request('FIN ACK');
        reply(syn, 'FIN ACK');
        t.deepEqual(ends(request('ACK')), ends(syn));
        const states = node.flows().map((flow) => flow.replace(/.*(?= answered confirmed)/, ''));
        t.deepEqual(states, [
          ' answered confirmed request_fin reply_fin',
          ' answered confirmed request_fin reply_fin',
        ]);
        // The same port again, at once.
        const again = request('SYN', { seq: 5_000_000 });
        reply(again, 'SYN ACK');
        t.is(node.flows().length, 2);
      },
    );
  }

  row(
    `UDP with ${pod}: a question, its answer, an error for the next question`,
    async (t, node, p) => {
      await node.serve(...web(p, [place]));
      const sent = p.udp('client:40000 > clusterIP:80', { payload: 'question' });
      const seen = travel(t, node, sent, to);
      const heard = travel(t, node, answerTo(seen, { payload: 'answer' }), back);
      t.deepEqual({ ...heard, ip: { ...heard.ip, ttl: 64 } } as Packet, {
        ...p.udp('clusterIP:80 > client:40000', { payload: 'answer' }, { ttl: 64 }),
      });
      const next = travel(t, node, sent, to);
      const error = p.error(`${place} > client`, 'port unreachable', next);
      const told = travel(
        t,
        node,
        { ...error, ip: { source: p.at(place), destination: next.ip?.source as never } },
        back,
      );
      t.like(told.ip, { source: p.at('clusterIP'), destination: p.at('client') });
      const { quoted } = told.body as { quoted: Packet };
      t.like(quoted.body, { protocol: 'UDP', source: 40000, destination: 80, payload: 'question' });
      t.like(quoted.ip, { source: p.at('client'), destination: p.at('clusterIP') });
    },
  );
}

row(
  'too long for the way: ingress, stack, egress, backend, and straight back',
  async (t, node, p) => {
    await node.serve(...web(p, ['narrowPod']));
    const sent = p.udp('client:40000 > external:80', { payload: 'x'.repeat(NARROW_MTU) });
    const between = travel(t, node, sent, [['ingress', 'uplink', 'pass']]);
    const seen = travel(t, node, oneHopLess(between), [['egress', 'narrow', 'pass']]);
    t.deepEqual(
      seen,
      p.udp('narrowNode:61000 > narrowPod:8080', { payload: 'x'.repeat(NARROW_MTU) }, { ttl: 63 }),
    );
    const heard = travel(t, node, answerTo(seen), [['ingress', 'narrow', 'redirect']]);
    t.like(heard.ip, { source: p.at('external'), destination: p.at('client') });
    t.like(heard.body, { source: 80, destination: 40_000 });
    // Of the two ways that its packets go, each leads to the same place.
    const short = travel(t, node, p.udp('client:40000 > external:80'), [
      ['ingress', 'uplink', 'redirect'],
    ]);
    t.deepEqual(short, p.udp('narrowNode:61000 > narrowPod:8080', {}, { ttl: 63 }));
  },
);

row('an answer with no hop left: ingress, stack, an error for the backend', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  const seen = travel(t, node, p.udp('client:40000 > clusterIP:80'), [
    ['ingress', 'uplink', 'redirect'],
  ]);
  const reply = answerTo(seen);
  const dying = { ...reply, ip: { ...reply.ip, ttl: 1 } } as Packet;
  const between = travel(t, node, dying, [['ingress', 'uplink', 'pass']]);
  const error = p.error('node > remotePod', 'time exceeded', between);
  const told = travel(t, node, error, [['egress', 'uplink', 'pass']]);
  t.deepEqual(told, p.error('node > remotePod', 'time exceeded', parse(build(dying), 'ip')));
});

row('path MTU on either side is told to who sent what was too long', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  const more = { payload: 'x'.repeat(1200) };
  const sent = p.tcp('client:40000 > node:30080', 'SYN', more);
  const seen = travel(t, node, sent, [['ingress', 'uplink', 'redirect']]);
  const ofRequest = p.error('otherNode > node', 'too big', seen, { value: 1280 });
  const toClient = travel(t, node, ofRequest, [['ingress', 'uplink', 'redirect']]);
  t.deepEqual(
    toClient,
    p.error(
      'node > client',
      'too big',
      { ...sent, ip: { ...sent.ip, ttl: 63 } } as Packet,
      { value: 1280 },
      { ttl: 63 },
    ),
  );
  const answer = answerTo(seen, { flags: 'ACK' });
  const heard = travel(t, node, answer, [['ingress', 'uplink', 'redirect']]);
  const ofAnswer = p.error('router > node', 'too big', heard, { value: 1280 });
  const toBackend = travel(t, node, ofAnswer, [['ingress', 'uplink', 'redirect']]);
  t.deepEqual(
    toBackend,
    p.error(
      'node > remotePod',
      'too big',
      { ...answer, ip: { ...answer.ip, ttl: 63 } } as Packet,
      { value: 1280 },
      { ttl: 63 },
    ),
  );
});

row('a guest in a pod dials a Service of pods elsewhere', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  const seen = travel(t, node, p.tcp('localPod:40000 > clusterIP:80', 'SYN'), [
    ['ingress', 'pod', 'pass'],
  ]);
  t.deepEqual(seen, p.tcp('localPod:40000 > remotePod:8080', 'SYN'));
  // What comes in by the uplink is no answer yet; it is on the way out to the pod.
  const passed = travel(t, node, answerTo(seen, { flags: 'SYN ACK' }), [
    ['ingress', 'uplink', 'pass'],
  ]);
  const heard = travel(t, node, oneHopLess(passed), [['egress', 'pod', 'pass']]);
  t.deepEqual(heard, p.tcp('clusterIP:80 > localPod:40000', 'SYN ACK', {}, { ttl: 63 }));
});

row(
  'nobody serves any more: the client of a connection is told when it dials again',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    travel(t, node, p.tcp('client:40000 > clusterIP:80', 'SYN'), [['ingress', 'uplink', 'pass']]);
    await node.serve(...web(p, []));
    const dial = p.tcp('client:40000 > clusterIP:80', 'SYN', { seq: 41 });
    const reset = node.ingress(dial);
    t.deepEqual(
      reset.packet.body,
      p.tcp('clusterIP:80 > client:40000', 'RST ACK', { ack: 42 }).body,
    );
    t.deepEqual(node.flows(), []);
  },
);

function oneHopLess(packet: Packet): Packet {
  return { ...packet, ip: { ...packet.ip, ttl: (packet.ip?.ttl ?? 64) - 1 } } as Packet;
}

function answerSource(p: Packets, dialled: (typeof DIALLED)[number]) {
  return p.at(dialled.split(':')[0] as 'node');
}

/** Of a body the ports; anything else as it is. */
function portsOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { source, destination } = value as { source?: number; destination?: number };
  return [source, destination];
}

row('where two programs take turns on a hook, one of them translates', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const LEFT_ALONE = { verdict: 'pass', isChanged: false, counts: [] };
  const request = (flags: string) => p.tcp('client:40000 > node:30080', flags);
  t.deepEqual(node.twice('ingress', request('SYN')), LEFT_ALONE);
  t.deepEqual(node.twice('egress', p.tcp('localPod:8080 > client:40000', 'SYN ACK')), LEFT_ALONE);
  t.deepEqual(node.twice('ingress', request('ACK')), LEFT_ALONE);
  t.deepEqual(
    node.flows().filter((flow) => flow.includes('request')),
    ['TCP client:40000 > node:30080 = client:40000 > localPod:8080 request answered confirmed'],
  );
});
