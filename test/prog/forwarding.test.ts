// SPDX-License-Identifier: Apache-2.0
// The way of masqueraded packets: sent on when routing allows it, through the stack in two halves when it
// does not, dropped and named when there is no way or no source for them.

import test, { type ExecutionContext } from 'ava';
import { runCommand } from '../lab/run-command.ts';
import { until } from '../lab/until.ts';
import { NARROW_MTU } from './network.ts';
import { fragmentsOf, type Packet } from './packet/packet.ts';
import { PacketNode } from './packet-node.ts';
import { FAMILIES, Packets } from './places.ts';
import { canRun, rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const FORWARDED = { verdict: 'pass', counts: ['flow_created', 'request_forwarded'] } as const;
const OUT = { verdict: 'pass', counts: ['forwarded_out'] } as const;

row(
  'one hop is taken off where a packet is sent on, none where the stack will',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    for (const ttl of [255, 64, 2]) {
      const { packet } = node.ingress(p.udp('client:40000 > clusterIP:80', {}, { ttl }));
      t.deepEqual(packet, p.udp('node:61000 > remotePod:8080', {}, { ttl: ttl - 1 }));
      const answer = node.ingress(p.udp('remotePod:8080 > node:61000', {}, { ttl }));
      t.is(answer.packet.ip?.ttl ?? 64, ttl - 1);
    }
  },
);

row('no hop left: the stack has it, to tell the client', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  for (const ttl of [1, 0]) {
    await node.reset();
    await node.serve(...web(p, ['remotePod']));
    node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', 'SYN', {}, { ttl }), {
      ...FORWARDED,
      packet: p.tcp('client:61000 > remotePod:8080', 'SYN', {}, { ttl }),
    });
    // What the stack says of it names what the client sent.
    const met = p.tcp('client:61000 > remotePod:8080', 'SYN', {}, { ttl });
    const sent = p.tcp('client:40000 > clusterIP:80', 'SYN', {}, { ttl });
    node.meets(t, 'egress', p.error('node > client', 'time exceeded', met), {
      verdict: 'pass',
      packet: p.error('clusterIP > client', 'time exceeded', sent),
      counts: ['icmp_error_translated'],
    });
  }
});

row('no hop left for an answer: the stack has it, to tell the backend', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
  node.meets(t, 'ingress', p.tcp('remotePod:8080 > node:61000', 'SYN ACK', {}, { ttl: 1 }), {
    verdict: 'pass',
    packet: p.tcp('remotePod:8080 > client:61000', 'SYN ACK', {}, { ttl: 1 }),
    counts: ['reply_forwarded'],
  });
  const met = p.tcp('remotePod:8080 > client:61000', 'SYN ACK', {}, { ttl: 1 });
  const sent = p.tcp('remotePod:8080 > node:61000', 'SYN ACK', {}, { ttl: 1 });
  node.meets(t, 'egress', p.error('node > remotePod', 'time exceeded', met), {
    verdict: 'pass',
    packet: p.error('node > remotePod', 'time exceeded', sent),
    counts: ['icmp_error_translated'],
  });
});

row('halves that are there are not replaced by each packet', async (t, node, p) => {
  await node.serve(...web(p, ['narrowPod']));
  const request = () =>
    node.ingress(p.udp('client:40000 > node:30080', { payload: 'x'.repeat(NARROW_MTU) }));
  const isHalf = (flow: string) => flow.includes('forwarded');
  request();
  node.changeFlows(() => ({ checkedNs: 1n, lastUsedNs: 1n }), isHalf);
  request();
  node.changeFlows(({ checkedNs, lastUsedNs }) => {
    t.is(checkedNs, 1n);
    t.true(lastUsedNs > 1n);
    return { source: { address: p.at('stranger'), port: 1 } };
  }, isHalf);
  request();
  t.false(node.flows().some((flow) => flow.includes('stranger')));
});

row('too long for the way: through the stack, masqueraded on the way out', async (t, node, p) => {
  await node.serve(...web(p, ['narrowPod']));
  const long = { payload: 'x'.repeat(NARROW_MTU) };
  node.meets(t, 'ingress', p.udp('client:40000 > node:30080', long), {
    ...FORWARDED,
    packet: p.udp('client:61000 > narrowPod:8080', long),
  });
  t.deepEqual(node.flows(), [
    'UDP client:40000 > node:30080 = narrowNode:61000 > narrowPod:8080 request masqueraded in_halves',
    'UDP client:61000 > narrowPod:8080 = narrowNode:61000 > narrowPod:8080 request at_egress masqueraded forwarded',
    'UDP narrowPod:8080 > client:61000 = node:30080 > client:40000 at_egress masqueraded forwarded',
    'UDP narrowPod:8080 > narrowNode:61000 = node:30080 > client:40000 masqueraded in_halves',
  ]);
  node.meets(
    t,
    'egress',
    p.udp('client:61000 > narrowPod:8080', long, { ttl: 63 }),
    { ...OUT, packet: p.udp('narrowNode:61000 > narrowPod:8080', long, { ttl: 63 }) },
    'narrow',
  );
  // A short one of the same flow needs no stack; the answers neither.
  node.meets(t, 'ingress', p.udp('client:40000 > node:30080'), {
    verdict: 'redirect',
    packet: p.udp('narrowNode:61000 > narrowPod:8080', {}, { ttl: 63 }),
    counts: ['request_redirected'],
  });
  node.meets(
    t,
    'ingress',
    p.udp('narrowPod:8080 > narrowNode:61000', long),
    {
      verdict: 'redirect',
      packet: p.udp('node:30080 > client:40000', long, { ttl: 63 }),
      counts: ['reply_redirected'],
    },
    'narrow',
  );
});

row('too long by one byte, and not', async (t, node, p) => {
  await node.serve(...web(p, ['narrowPod']));
  const headers = (p.family === 'IPv4' ? 20 : 40) + 8;
  const of = (length: number) =>
    node.ingress(p.udp('client:40000 > node:30080', { payload: 'x'.repeat(length - headers) }));
  t.deepEqual(of(NARROW_MTU).counts, ['flow_created', 'request_redirected']);
  t.deepEqual(of(NARROW_MTU + 1).counts, ['request_forwarded']);
});

row('a way that changes is seen while packets go on', async (t, node, p) => {
  // Each CPU remembers ways of its own.
  await stayOnOneCpu(t);
  await node.serve(...web(p, ['remotePod']));
  const route = `route replace ${p.at('remotePod')} via ${p.at('otherNode')}`;
  t.teardown(() => node.network.configure(route));
  const send = () =>
    node.ingress(p.udp('client:40000 > node:30080', { payload: 'x'.repeat(1300) }));
  t.deepEqual(send().counts, ['flow_created', 'request_redirected']);
  t.deepEqual(send().counts, ['request_redirected']);
  await node.network.configure(`${route} mtu lock 1280`);
  await until('it is too narrow', () => send().counts.includes('request_forwarded'));
  await node.network.configure(route);
  await until('it is as before', () => send().counts.includes('request_redirected'));
});

row(
  'too long, and may not be cut: what the stack says of it names what the client sent',
  async (t, node, p) => {
    await node.serve(...web(p, ['narrowPod']));
    const more = { payload: 'x'.repeat(NARROW_MTU) };
    const ip = p.family === 'IPv4' ? ({ dontFragment: true, id: 9 } as const) : {};
    node.meets(t, 'ingress', p.tcp('client:40000 > external:80', 'SYN', more, ip), {
      ...FORWARDED,
      packet: p.tcp('client:61000 > narrowPod:8080', 'SYN', more, ip),
    });
    const size = (p.family === 'IPv4' ? 20 : 40) + 100;
    const met = { ...p.tcp('client:61000 > narrowPod:8080', 'SYN', more, ip), size };
    const sent = { ...p.tcp('client:40000 > external:80', 'SYN', more, ip), size };
    const value = { value: NARROW_MTU };
    node.meets(t, 'egress', p.error('node > client', 'too big', met, value), {
      verdict: 'pass',
      packet: p.error('external > client', 'too big', sent, value),
      counts: ['icmp_error_translated'],
    });
  },
);

row('what stands for many segments is as long as one of them', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod', 'narrowPod']));
  await node.usePorts({ first: 50_000, count: 1000 });
  const more = { payload: 'x'.repeat(2800) };
  for (const [pod, gsoSize, verdict] of [
    ['remotePod', 1400, 'redirect'],
    ['narrowPod', 1400, 'pass'],
    ['narrowPod', 1200, 'redirect'],
  ] as const) {
    await node.serve(...web(p, [pod]));
    const dial = p.tcp(`client:${40_000 + gsoSize} > clusterIP:80`, 'SYN', more);
    t.is(node.ingress(dial, 'uplink', { gsoSize, gsoSegments: 2 }).verdict, verdict);
    await node.reset();
    await node.usePorts({ first: 50_000, count: 1000 });
  }
});

row('through the stack: later fragments too', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  const ip = { id: 3, ttl: 1 };
  const first = { ...ip, fragment: { offset: 0, more: true } };
  const whole = p.udp('client:40000 > clusterIP:80', { payload: 'x'.repeat(40) }, { ...ip });
  const [one, two] = fragmentsOf(whole, 24);
  const [oneOut, twoOut] = fragmentsOf(
    p.udp('client:61000 > remotePod:8080', { payload: 'x'.repeat(40) }, { ...ip }),
    24,
  );
  t.deepEqual(first.fragment, one?.ip?.fragment);
  node.meets(t, 'ingress', one as Packet, {
    verdict: 'pass',
    packet: oneOut as Packet,
    counts: ['first_fragment', 'flow_created', 'request_forwarded'],
  });
  node.meets(t, 'ingress', two as Packet, {
    verdict: 'pass',
    packet: twoOut as Packet,
    counts: ['later_fragment', 'request_forwarded'],
  });
  const masqueraded = p.udp('node:61000 > remotePod:8080', { payload: 'x'.repeat(40) }, { ...ip });
  const [oneSent, twoSent] = fragmentsOf(masqueraded, 24);
  node.meets(t, 'egress', oneOut as Packet, {
    verdict: 'pass',
    packet: oneSent as Packet,
    counts: ['first_fragment', 'forwarded_out'],
  });
  node.meets(t, 'egress', twoOut as Packet, {
    verdict: 'pass',
    packet: twoSent as Packet,
    counts: ['forwarded_out', 'later_fragment'],
  });
});

row('a backend without a way to it', async (t, node, p) => {
  await node.serve(...web(p, ['unreachablePod']));
  for (const packet of [
    p.tcp('client:40000 > node:30080', 'SYN'),
    p.udp('client:40000 > node:30080'),
  ]) {
    node.meets(t, 'ingress', packet, { verdict: 'drop', counts: ['dropped_no_route'] });
  }
  t.deepEqual(node.flows(), []);
});

row(
  'ports of masqueraded flows: each its own, until none is left; then the drop is named',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    await node.usePorts({ first: 61_000, count: 4 });
    const dial = (port: number) => node.ingress(p.tcp(`client:${port} > clusterIP:80`, 'SYN'));
    const used = [1, 2, 3, 4].map((port) => (dial(port).packet.body as { source: number }).source);
    t.deepEqual(used.sort(), [61_000, 61_001, 61_002, 61_003]);
    const none = { verdict: 'drop', counts: ['dropped_masquerade_ports_exhausted'] } as const;
    node.meets(t, 'ingress', p.tcp('client:5 > clusterIP:80', 'SYN'), none);
    t.is(node.flows().length, 8);
    // UDP has ports of its own.
    t.is(node.ingress(p.udp('client:5 > clusterIP:80')).verdict, 'redirect');
    // So has every other backend.
    await node.serve(...web(p, ['secondRemotePod']));
    t.is(node.ingress(p.tcp('client:6 > clusterIP:80', 'SYN')).verdict, 'redirect');
  },
);

row('a flood that nobody goes on with keeps no port for long', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  for (const kind of ['tcp', 'udp'] as const) {
    await node.usePorts({ first: 61_000, count: 2 });
    const dial = (port: number) =>
      node.ingress(
        kind === 'tcp'
          ? p.tcp(`client:${port} > clusterIP:80`, 'SYN')
          : p.udp(`client:${port} > clusterIP:80`),
      );
    for (const port of [1, 2]) t.is(dial(port).verdict, 'redirect');
    node.ageFlows(2);
    t.deepEqual(dial(3).counts, ['dropped_masquerade_ports_exhausted']);
    node.ageFlows(2);
    t.deepEqual(dial(4).counts, ['flow_created', 'request_redirected']);
    // What the client has gone on with stays.
    await node.reset();
    await node.serve(...web(p, ['remotePod']));
    await node.usePorts({ first: 61_000, count: 1 });
    dial(5);
    const [answer, more] =
      kind === 'tcp'
        ? [p.tcp('remotePod:8080 > node:61000', 'SYN ACK'), p.tcp('client:5 > clusterIP:80', 'ACK')]
        : [p.udp('remotePod:8080 > node:61000'), p.udp('client:5 > clusterIP:80')];
    node.ingress(answer);
    node.ingress(more);
    node.ageFlows(20);
    t.deepEqual(dial(6).counts, ['dropped_masquerade_ports_exhausted']);
    await node.reset();
    await node.serve(...web(p, ['remotePod']));
  }
});

/** What the client, and then the backend, sends. */
const ENDINGS: Record<string, readonly (string | undefined)[]> = {
  'a reset of the client': ['RST'],
  'a reset of the backend': [undefined, 'RST'],
  'the end of both directions': ['FIN ACK', 'FIN ACK'],
  'its time': [],
};

for (const [how, end] of Object.entries(ENDINGS)) {
  row(`a port is free again after ${how}`, async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    node.ingress(p.tcp('client:1 > clusterIP:80', 'SYN'));
    const [ofClient, ofBackend] = end;
    if (ofClient) node.ingress(p.tcp('client:1 > clusterIP:80', ofClient));
    if (ofBackend) node.ingress(p.tcp('remotePod:8080 > node:61000', ofBackend));
    if (!end.length) node.ageFlows(61);
    node.meets(t, 'ingress', p.tcp('client:2 > clusterIP:80', 'SYN'), {
      verdict: 'redirect',
      packet: p.tcp('node:61000 > remotePod:8080', 'SYN', {}, { ttl: 63 }),
      counts: ['flow_created', 'request_redirected'],
    });
    node.meets(t, 'ingress', p.tcp('remotePod:8080 > node:61000', 'SYN ACK'), {
      verdict: 'redirect',
      packet: p.tcp('clusterIP:80 > client:2', 'SYN ACK', {}, { ttl: 63 }),
      counts: ['reply_redirected'],
    });
    // The old request must not reach the backend as part of the new connection.
    const { packet, verdict } = node.ingress(p.tcp('client:1 > clusterIP:80', 'ACK'));
    if (verdict === 'redirect') t.not((packet.body as { source: number }).source, 61_000);
    node.letFlowsCheck();
    const later = node.ingress(p.tcp('client:1 > clusterIP:80', 'ACK'));
    if (later.verdict === 'redirect')
      t.not((later.packet.body as { source: number }).source, 61_000);
    t.true(node.flows().some((flow) => flow.startsWith('TCP client:2 ')));
  });
}

row(
  'a port that the backend has in TIME_WAIT is left to it, as long as there is another one',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    await node.usePorts({ first: 61_000, count: 4 });
    const dial = (client: number) => {
      const { body } = node.ingress(p.tcp(`client:${client} > clusterIP:80`, 'SYN')).packet;
      return (body as { source: number }).source;
    };
    const ended = [1, 2, 3].map((client) => {
      const port = dial(client);
      node.ingress(p.tcp(`remotePod:8080 > node:${port}`, 'FIN ACK'));
      node.ingress(p.tcp(`client:${client} > clusterIP:80`, 'FIN ACK'));
      return port;
    });
    t.false(ended.includes(dial(4)));
    // Before it is refused, a connection gets what the backend may refuse.
    t.deepEqual([dial(5), dial(6), dial(7)].sort(), ended.sort());
    const { counts } = node.ingress(p.tcp('client:8 > clusterIP:80', 'SYN'));
    t.deepEqual(counts, ['dropped_masquerade_ports_exhausted']);
  },
);

row(
  'a client that comes again from its port gets the port again that it had',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    await node.usePorts({ first: 50_000, count: 10_000 });
    const dial = (flags: string) => {
      const { body } = node.ingress(p.tcp('client:40000 > clusterIP:80', flags)).packet;
      return (body as { source: number }).source;
    };
    const first = dial('SYN');
    dial('FIN ACK');
    for (let i = 0; i < 5; i++) {
      t.is(dial('SYN'), first);
      dial('RST');
    }
  },
);

row('a flow of another entry at its port is not taken for its own', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  node.ingress(p.udp('client:1 > clusterIP:80'));
  node.ageFlows(31);
  node.ingress(p.udp('client:2 > clusterIP:80'));
  // The first client comes back: its flow is over, and its port another one's.
  node.meets(t, 'ingress', p.udp('client:1 > clusterIP:80'), {
    verdict: 'drop',
    counts: ['dropped_masquerade_ports_exhausted'],
  });
  node.meets(t, 'ingress', p.udp('remotePod:8080 > node:61000'), {
    verdict: 'redirect',
    packet: p.udp('clusterIP:80 > client:2', {}, { ttl: 63 }),
    counts: ['reply_redirected'],
  });
});

for (const family of FAMILIES) {
  test.serial(
    `${family}: a node without an address of the family masquerades with none`,
    async (t) => {
      if (!canRun(t)) return;
      const node = await PacketNode.create(t, { isAddressed: false });
      const p = new Packets(family);
      await node.serve(...web(p, ['remotePod']));
      for (const packet of [
        p.tcp('client:40000 > external:80', 'SYN'),
        p.udp('client:40000 > external:80'),
      ]) {
        node.meets(t, 'ingress', packet, {
          verdict: 'drop',
          counts: ['dropped_no_masquerade_address'],
        });
      }
      t.deepEqual(node.flows(), []);
    },
  );
}

/** This thread, until the test ends. */
async function stayOnOneCpu(t: ExecutionContext): Promise<void> {
  const affinity = (...cpus: string[]) => runCommand(['taskset', '-cp', ...cpus, `${process.pid}`]);
  const allowed = /: (\S+)$/.exec((await affinity()).trim())?.[1] ?? '0';
  t.teardown(() => affinity(allowed));
  await affinity(/^\d+/.exec(allowed)?.[0] ?? '0');
}
