// SPDX-License-Identifier: Apache-2.0
// The programs of devices whose packets begin with the IP header: the same bodies as those of Ethernet, so
// what differs is looked at, where the header is and that there is no other to turn round.

import test, { type ExecutionContext } from 'ava';
import { checksumProblems, type Packet, parse } from './packet/packet.ts';
import type { Outcome } from './packet-node.ts';
import type { Packets } from './places.ts';
import { rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const ETHERNET_SIZE = 14;

/** In IPv4, what makes the first byte one that an Ethernet address of one host can begin with. */
function ip({ family }: Packets, ttl = 64) {
  return family === 'IPv4' ? { options: '\x01\x01\x01\x01', ttl } : { ttl };
}

row('TCP served here, and its answer', async (t, node, p) => {
  await node.serve(...web(p, ['tunnelLocalPod']));
  const request = p.tcp('tunnelClient:40000 > node:30080', 'SYN', {}, ip(p));
  const { verdict, packet, counts, bytes } = await node.runIp('ingress', request);
  t.deepEqual([verdict, counts], ['pass', ['flow_created', 'request_delivered']]);
  t.deepEqual(packet, usual(p.tcp('tunnelClient:40000 > tunnelLocalPod:8080', 'SYN', {}, ip(p))));
  t.deepEqual(checksumProblems(bytes, 'ip'), []);
  const reply = p.tcp('tunnelLocalPod:8080 > tunnelClient:40000', 'SYN ACK', {}, ip(p));
  const out = await node.runIp('egress', reply);
  t.deepEqual([out.verdict, out.counts], ['pass', ['reply_delivered']]);
  t.deepEqual(out.packet, usual(p.tcp('node:30080 > tunnelClient:40000', 'SYN ACK', {}, ip(p))));
  t.deepEqual(checksumProblems(out.bytes, 'ip'), []);
});

row('UDP served beyond another tunnel, and its answer', async (t, node, p) => {
  await node.serve(...web(p, ['tunnelRemotePod']));
  const request = await node.runIp(
    'ingress',
    p.udp('tunnelClient:40000 > clusterIP:80', {}, ip(p)),
  );
  t.deepEqual(
    [request.verdict, request.counts],
    ['redirect', ['flow_created', 'request_redirected']],
  );
  t.deepEqual(sentOn(t, request), p.udp('node:61000 > tunnelRemotePod:8080', {}, ip(p, 63)));
  const reply = await node.runIp('ingress', p.udp('tunnelRemotePod:8080 > node:61000', {}, ip(p)));
  t.deepEqual([reply.verdict, reply.counts], ['redirect', ['reply_redirected']]);
  t.deepEqual(sentOn(t, reply), p.udp('clusterIP:80 > tunnelClient:40000', {}, ip(p, 63)));
});

row('refusals and echo: sent back without a word of Ethernet', async (t, node, p) => {
  await node.serve(...web(p, []));
  // Long enough for a test run, which wants an Ethernet header besides.
  const payload = 'y'.repeat(20);
  const reset = await node.runIp(
    'ingress',
    p.tcp('tunnelClient:40000 > clusterIP:80', 'SYN', { seq: 1 }, ip(p)),
  );
  t.deepEqual([reset.verdict, reset.counts], ['redirect', ['refused_no_endpoints']]);
  t.deepEqual(
    reset.packet.body,
    p.tcp('clusterIP:80 > tunnelClient:40000', 'RST ACK', { ack: 2 }).body,
  );
  t.like(reset.packet.ip, { source: p.at('clusterIP'), destination: p.at('tunnelClient') });
  const echo = await node.runIp(
    'ingress',
    p.echo('tunnelClient > clusterIP', 'echo request', { payload }, ip(p)),
  );
  t.deepEqual([echo.verdict, echo.counts], ['redirect', ['echo_answered']]);
  t.deepEqual(echo.packet.body, p.echo('clusterIP > tunnelClient', 'echo reply', { payload }).body);
  for (const { bytes } of [reset, echo]) t.deepEqual(checksumProblems(bytes, 'ip'), []);
});

row('ICMP errors', async (t, node, p) => {
  await node.serve(...web(p, ['tunnelRemotePod']));
  await node.runIp('ingress', p.udp('tunnelClient:40000 > clusterIP:80', {}, ip(p)));
  const met = p.udp('node:61000 > tunnelRemotePod:8080', {}, { ttl: 9 });
  const error = p.error('tunnelRemotePod > node', 'port unreachable', met, {}, ip(p));
  const outcome = await node.runIp('ingress', error);
  t.deepEqual([outcome.verdict, outcome.counts], ['redirect', ['icmp_error_translated']]);
  const sent = p.udp('tunnelClient:40000 > clusterIP:80', {}, { ttl: 9 });
  t.deepEqual(
    sentOn(t, outcome),
    p.error('clusterIP > tunnelClient', 'port unreachable', sent, {}, ip(p, 63)),
  );
});

row('what is for no Service', async (t, node, p) => {
  await node.serve(...web(p, ['tunnelLocalPod']));
  const packet = p.udp('tunnelClient:40000 > stranger:80', {}, ip(p));
  for (const hook of ['ingress', 'egress'] as const) {
    const outcome = await node.runIp(hook, packet);
    t.deepEqual([outcome.verdict, outcome.counts], ['pass', ['passed']]);
    t.deepEqual(outcome.packet, usual(packet));
  }
});

/**
 * What leaves by another device, without the room for a link-layer header that bpf_redirect_neigh() wants to be
 * there.
 */
function sentOn(t: ExecutionContext, { bytes }: Outcome): Packet {
  t.deepEqual([...bytes.subarray(0, ETHERNET_SIZE)], Array<number>(ETHERNET_SIZE).fill(0));
  const packet = bytes.subarray(ETHERNET_SIZE);
  t.deepEqual(checksumProblems(packet, 'ip'), []);
  return parse(packet, 'ip');
}

/** Without what is said although it is so anyway. */
function usual(packet: Packet): Packet {
  const { ttl, ...rest } = packet.ip as NonNullable<Packet['ip']>;
  return { ...packet, ip: ttl === 64 ? rest : { ...rest, ...(ttl === undefined ? {} : { ttl }) } };
}
