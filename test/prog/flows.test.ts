// SPDX-License-Identifier: Apache-2.0
// The life of flows: two entries that keep each other, tuples that clash or come again, backends that leave,
// time that passes.

import test from 'ava';
import type { PacketNode } from './packet-node.ts';
import type { Way } from './places.ts';
import { DIALLED, other, rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const REQUEST_GOES_ON = { verdict: 'pass', counts: ['request_delivered'] } as const;
const REPLY_GOES_ON = { verdict: 'pass', counts: ['reply_delivered'] } as const;

row(
  'two services, one client port, one pod: the second gets another port, and its answers back',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']), ...other(p, ['localPod']));
    for (const first of [
      p.tcp('client:40000 > node:30080', 'SYN'),
      p.udp('client:40000 > node:30080'),
    ]) {
      node.meets(t, 'ingress', first, {
        verdict: 'pass',
        counts: ['flow_created', 'request_delivered'],
      });
    }
    const clashed = {
      verdict: 'pass',
      counts: ['flow_created', 'request_delivered', 'source_port_changed'],
    } as const;
    node.meets(t, 'ingress', p.tcp('client:40000 > otherClusterIP:80', 'SYN'), {
      ...clashed,
      packet: p.tcp('client:61000 > localPod:8080', 'SYN'),
    });
    node.meets(t, 'ingress', p.udp('client:40000 > otherClusterIP:80'), {
      ...clashed,
      packet: p.udp('client:61000 > localPod:8080'),
    });
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:61000', 'SYN ACK'), {
      ...REPLY_GOES_ON,
      packet: p.tcp('otherClusterIP:80 > client:40000', 'SYN ACK'),
    });
    node.meets(t, 'egress', p.udp('localPod:8080 > client:61000'), {
      ...REPLY_GOES_ON,
      packet: p.udp('otherClusterIP:80 > client:40000'),
    });
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'SYN ACK'), {
      ...REPLY_GOES_ON,
      packet: p.tcp('node:30080 > client:40000', 'SYN ACK'),
    });
    node.meets(t, 'ingress', p.tcp('client:40000 > otherClusterIP:80', 'ACK'), {
      ...REQUEST_GOES_ON,
      packet: p.tcp('client:61000 > localPod:8080', 'ACK'),
    });
  },
);

row('the same by two kinds of address of one service', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  await node.usePorts({ first: 50_000, count: 1000 });
  const sources = new Set<number>();
  for (const dialled of DIALLED) {
    const { packet } = node.ingress(p.tcp(`client:40000 > ${dialled}`, 'SYN'));
    const { source } = packet.body as { source: number };
    sources.add(source);
    const [back] = [p.tcp('localPod:1 > client:1', 'SYN ACK')];
    const body = { ...back.body, source: 8080, destination: source } as typeof back.body;
    node.meets(
      t,
      'egress',
      { ...back, body },
      {
        ...REPLY_GOES_ON,
        packet: p.tcp(`${dialled} > client:40000`, 'SYN ACK'),
      },
    );
  }
  t.is(sources.size, DIALLED.length);
});

row(
  'a client that dials the pod itself from the port that its flow has: both go on',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    for (const [protocol, more] of [
      ['tcp', ['SYN']],
      ['udp', []],
    ] as const) {
      const send = (way: Way) => (protocol === 'tcp' ? p.tcp(way, more[0]) : p.udp(way));
      node.ingress(send('client:40000 > node:30080'));
      node.meets(t, 'ingress', send('client:40000 > localPod:8080'), {
        verdict: 'pass',
        packet: send('client:61000 > localPod:8080'),
        counts: ['flow_created', 'request_delivered', 'source_port_changed'],
      });
      node.meets(t, 'egress', send('localPod:8080 > client:61000'), {
        ...REPLY_GOES_ON,
        packet: send('localPod:8080 > client:40000'),
      });
      node.meets(t, 'egress', send('localPod:8080 > client:40000'), {
        ...REPLY_GOES_ON,
        packet: send('node:30080 > client:40000'),
      });
    }
  },
);

row(
  'a client that dials the pod itself, when its flow has ended: the flow is gone',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
    node.ingress(p.tcp('client:40000 > node:30080', 'RST'));
    const same = { verdict: 'pass', packet: 'same', counts: ['passed'] } as const;
    node.meets(t, 'ingress', p.tcp('client:40000 > localPod:8080', 'SYN'), same);
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'SYN ACK'), same);
    node.ingress(p.udp('client:40000 > node:30080'));
    node.ageFlows(31);
    node.meets(t, 'ingress', p.udp('client:40000 > localPod:8080'), same);
    node.meets(t, 'egress', p.udp('localPod:8080 > client:40000'), same);
    t.deepEqual(node.flows(), []);
  },
);

row('SYN once more, while nothing has ended: the same backend', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
  await node.serve(...web(p, ['localPod', 'secondLocalPod']));
  for (let i = 0; i < 20; i++) {
    node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'SYN'), {
      ...REQUEST_GOES_ON,
      packet: p.tcp('client:40000 > localPod:8080', 'SYN'),
    });
  }
});

for (const [how, ends] of Object.entries({
  'the client has ended': ['FIN ACK', undefined],
  'the backend has ended': [undefined, 'FIN ACK'],
  'both have ended': ['FIN ACK', 'FIN ACK'],
  'the client has reset': ['RST', undefined],
  'the backend has reset': [undefined, 'RST ACK'],
} as const)) {
  row(`SYN on a tuple that ${how}: a new connection at once`, async (t, node, p) => {
    for (const pod of ['localPod', 'remotePod'] as const) {
      await node.reset();
      await node.serve(...web(p, [pod]));
      node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
      const [ofClient, ofBackend] = ends;
      const end = () => {
        if (ofClient) node.ingress(p.tcp('client:40000 > node:30080', ofClient));
        if (!ofBackend) return;
        if (pod === 'localPod') node.egress(p.tcp('localPod:8080 > client:40000', ofBackend));
        else node.ingress(p.tcp('remotePod:8080 > node:61000', ofBackend));
      };
      const atFirst = node.flows();
      end();
      const state = [
        ofClient === 'FIN ACK' && 'request_fin',
        ofBackend === 'FIN ACK' && 'reply_fin',
        (ofClient ?? ofBackend)?.startsWith('RST') && 'reset',
      ].filter(Boolean);
      for (const flow of node.flows()) {
        t.deepEqual(
          state.filter((flag) => !flow.split(' ').includes(`${flag}`)),
          [],
          flow,
        );
      }
      const { counts } = node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
      t.true(counts.includes('flow_replaced'));
      t.deepEqual(node.flows(), atFirst);
      end();
      await node.serve(...web(p, ['secondLocalPod']));
      node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'SYN'), {
        verdict: 'pass',
        packet: p.tcp('client:40000 > secondLocalPod:8080', 'SYN'),
        counts: ['flow_replaced', 'request_delivered'],
      });
      t.deepEqual(node.flows(), [
        'TCP client:40000 > node:30080 = client:40000 > secondLocalPod:8080 request',
        'TCP secondLocalPod:8080 > client:40000 = node:30080 > client:40000 at_egress',
      ]);
    }
  });
}

row(
  'SYN on a flow whose backend is gone: another one; what goes on there goes on',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
    node.egress(p.tcp('localPod:8080 > client:40000', 'SYN ACK'));
    await node.serve(...web(p, ['secondLocalPod']));
    node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'ACK'), {
      ...REQUEST_GOES_ON,
      packet: p.tcp('client:40000 > localPod:8080', 'ACK'),
    });
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'ACK'), {
      ...REPLY_GOES_ON,
      packet: p.tcp('node:30080 > client:40000', 'ACK'),
    });
    node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'SYN'), {
      verdict: 'pass',
      packet: p.tcp('client:40000 > secondLocalPod:8080', 'SYN'),
      counts: ['flow_replaced', 'request_delivered'],
    });
    t.is(node.flows().length, 2);
  },
);

row('TCP goes on without its Service', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
  await node.serve();
  node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', 'ACK'), REQUEST_GOES_ON);
  node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'ACK'), REPLY_GOES_ON);
});

for (const pod of ['localPod', 'remotePod'] as const) {
  row(`either half of a flow to ${pod} makes the other again`, async (t, node, p) => {
    const isHere = pod === 'localPod';
    await node.serve(...web(p, [pod]));
    node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
    const reply = isHere
      ? () => node.egress(p.tcp('localPod:8080 > client:40000', 'ACK'))
      : () => node.ingress(p.tcp('remotePod:8080 > node:61000', 'ACK'));
    reply();
    node.ingress(p.tcp('client:40000 > node:30080', 'ACK'));
    const whole = node.flows();

    node.forgetFlows((flow) => !flow.includes(' request'));
    node.letFlowsCheck();
    const { counts } = node.ingress(p.tcp('client:40000 > node:30080', 'ACK'));
    t.deepEqual(counts, ['flow_restored', isHere ? 'request_delivered' : 'request_redirected']);
    t.deepEqual(node.flows(), whole);

    node.forgetFlows((flow) => flow.includes(' request'));
    node.letFlowsCheck();
    t.deepEqual(reply().counts, ['flow_restored', isHere ? 'reply_delivered' : 'reply_redirected']);
    t.deepEqual(node.flows(), whole);
  });
}

row('what a half tells of the connection, the other half hears', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  node.ingress(p.tcp('client:40000 > node:30080', 'SYN'));
  const request = 'TCP client:40000 > node:30080 = node:61000 > remotePod:8080 request masqueraded';
  const reply = 'TCP remotePod:8080 > node:61000 = node:30080 > client:40000 masqueraded';
  const both = (state: string) => [`${request}${state}`, `${reply}${state}`];
  t.deepEqual(node.flows(), both(''));
  node.ingress(p.tcp('remotePod:8080 > node:61000', 'SYN ACK'));
  t.deepEqual(node.flows(), both(' answered'));
  // Whoever only pretends to be the client does not get as far.
  node.ingress(p.tcp('client:40000 > node:30080', 'ACK'));
  t.deepEqual(node.flows(), both(' answered confirmed'));
  node.ingress(p.tcp('client:40000 > node:30080', 'FIN ACK'));
  t.deepEqual(node.flows(), both(' answered confirmed request_fin'));
  node.ingress(p.tcp('remotePod:8080 > node:61000', 'FIN ACK'));
  t.deepEqual(node.flows(), both(' answered confirmed request_fin reply_fin'));
});

/** Seconds that a flow lives unused, by what happened to it before. */
const LIVES: Record<string, { seconds: number; before: (node: PacketNode, send: Sender) => void }> =
  {
    'not answered yet': { seconds: 60, before: () => {} },
    'answered, but the client has not said that it heard': {
      seconds: 60,
      before: (_, { reply }) => reply('SYN ACK'),
    },
    established: {
      seconds: 86_400,
      before: (_, { request, reply }) => {
        reply('SYN ACK');
        request('ACK');
      },
    },
    'half closed': {
      seconds: 3600,
      before: (_, { request, reply }) => {
        reply('SYN ACK');
        request('FIN ACK');
      },
    },
    closed: {
      seconds: 10,
      before: (_, { request, reply }) => {
        reply('SYN ACK');
        request('FIN ACK');
        reply('FIN ACK');
      },
    },
    reset: { seconds: 120, before: (_, { request }) => request('RST') },
  };

interface Sender {
  readonly request: (flags: string) => void;
  readonly reply: (flags: string) => void;
}

for (const [state, { seconds, before }] of Object.entries(LIVES)) {
  row(`TCP ${state}: over ${seconds} s after the last packet`, async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
    before(node, {
      request: (flags) => void node.ingress(p.tcp('client:40000 > clusterIP:80', flags)),
      reply: (flags) => void node.egress(p.tcp('localPod:8080 > client:40000', flags)),
    });
    // Either direction keeps it alive, and with it the other.
    node.ageFlows(seconds - 2);
    const flags = seconds === 60 ? 'SYN' : 'ACK';
    node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', flags), REQUEST_GOES_ON);
    node.ageFlows(seconds - 2);
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'SYN ACK'), REPLY_GOES_ON);
    node.ageFlows(seconds - 2);
    node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', flags), REQUEST_GOES_ON);
    node.ageFlows(seconds + 1);
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'ACK'), {
      verdict: 'pass',
      packet: 'same',
      counts: ['passed'],
    });
    const { counts } = node.ingress(p.tcp('client:40000 > clusterIP:80', 'ACK'));
    t.deepEqual(counts, ['refused_unknown_flow']);
    const again = node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
    t.is(again.verdict, 'pass');
    t.true(again.counts.includes('request_delivered'));
    t.is(node.flows().length, 2);
  });
}

for (const [protocol, single, stream] of [
  ['udp', 30, 120],
  ['sctp', 60, 300],
] as const) {
  row(
    `${protocol}: over ${single} s after one exchange, ${stream} s when the client has gone on`,
    async (t, node, p) => {
      const port = protocol === 'udp' ? 80 : 9000;
      const target = protocol === 'udp' ? 8080 : 9000;
      const request = p[protocol](`client:40000 > clusterIP:${port}`);
      const reply = p[protocol](`localPod:${target} > client:40000`);
      const replaced = { verdict: 'pass', counts: ['flow_replaced', 'request_delivered'] } as const;
      await node.serve(...web(p, ['localPod']));
      node.ingress(request);
      node.ageFlows(single - 2);
      node.meets(t, 'ingress', request, REQUEST_GOES_ON);
      node.ageFlows(single + 1);
      node.meets(t, 'ingress', request, replaced);
      node.meets(t, 'egress', reply, REPLY_GOES_ON);
      node.ageFlows(single + 1);
      node.meets(t, 'ingress', request, replaced);
      node.meets(t, 'egress', reply, REPLY_GOES_ON);
      node.ageFlows(single - 2);
      node.meets(t, 'ingress', request, REQUEST_GOES_ON);
      node.ageFlows(stream - 2);
      node.meets(t, 'egress', reply, REPLY_GOES_ON);
      node.ageFlows(stream - 2);
      node.meets(t, 'ingress', request, REQUEST_GOES_ON);
      node.ageFlows(stream + 1);
      node.meets(t, 'egress', reply, { verdict: 'pass', packet: 'same', counts: ['passed'] });
      node.meets(t, 'ingress', request, replaced);
    },
  );
}

row('a reset that the backend does not believe was none', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const reset = () => node.flows().map((flow) => / reset\b/.test(flow));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
  node.egress(p.tcp('localPod:8080 > client:40000', 'SYN ACK'));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'ACK'));
  // Anybody can send it; the client itself goes on, which proves nothing.
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'RST'));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'ACK'));
  t.deepEqual(reset(), [true, true]);
  node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'ACK'), REPLY_GOES_ON);
  t.deepEqual(reset(), [false, false]);
  node.ageFlows(3600);
  node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', 'ACK'), REQUEST_GOES_ON);
});

row('a client that dials the pod itself leaves a half-closed flow alone', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'FIN ACK'));
  node.meets(t, 'ingress', p.tcp('client:40000 > localPod:8080', 'SYN'), {
    verdict: 'pass',
    counts: ['flow_created', 'source_port_changed', 'request_delivered'],
  });
  node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'ACK'), REPLY_GOES_ON);
});

row('UDP: a backend that is gone is given up, one that ends is not', async (t, node, p) => {
  const request = p.udp('client:40000 > clusterIP:80');
  await node.serve(...web(p, ['localPod']));
  node.ingress(request);
  await node.serve(...web(p, ['localPod terminating serving', 'secondLocalPod']));
  node.letFlowsCheck();
  node.meets(t, 'ingress', request, {
    ...REQUEST_GOES_ON,
    packet: p.udp('client:40000 > localPod:8080'),
  });
  await node.serve(...web(p, ['secondLocalPod']));
  node.letFlowsCheck();
  node.meets(t, 'ingress', request, {
    verdict: 'pass',
    packet: p.udp('client:40000 > secondLocalPod:8080'),
    counts: ['flow_backend_gone', 'flow_replaced', 'request_delivered'],
  });
  t.deepEqual(node.flows(), [
    'UDP client:40000 > clusterIP:80 = client:40000 > secondLocalPod:8080 request',
    'UDP secondLocalPod:8080 > client:40000 = clusterIP:80 > client:40000 at_egress',
  ]);
  await node.serve(...web(p, []));
  node.letFlowsCheck();
  const { counts } = node.ingress(request);
  t.deepEqual(counts, ['flow_backend_gone', 'refused_no_endpoints']);
  t.deepEqual(node.flows(), []);
});

row('UDP: no Service any more', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  // One for each, that none clashes.
  const dials = DIALLED.map((dialled, i) => p.udp(`client:${40_000 + i} > ${dialled}`));
  for (const dial of dials) node.ingress(dial);
  await node.serve();
  node.letFlowsCheck();
  t.deepEqual(
    dials.map((dial) => node.ingress(dial).counts),
    [
      ['dropped_unallocated', 'flow_backend_gone'],
      ['flow_backend_gone', 'passed'],
      ['flow_backend_gone', 'passed'],
      ['flow_backend_gone', 'passed'],
    ],
  );
  t.deepEqual(node.flows(), []);
});

row('a changed source port: halves, errors and ends find it', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']), ...other(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > clusterIP:80', 'SYN'));
  node.ingress(p.tcp('client:40000 > otherClusterIP:80', 'SYN'));
  node.egress(p.tcp('localPod:8080 > client:40000', 'SYN ACK'));
  node.egress(p.tcp('localPod:8080 > client:61000', 'SYN ACK'));
  node.ingress(p.tcp('client:40000 > otherClusterIP:80', 'ACK'));
  const whole = node.flows();
  node.forgetFlows((flow) => flow.startsWith('TCP localPod:8080 > client:61000 '));
  node.letFlowsCheck();
  node.meets(t, 'ingress', p.tcp('client:40000 > otherClusterIP:80', 'ACK'), {
    verdict: 'pass',
    packet: p.tcp('client:61000 > localPod:8080', 'ACK'),
    counts: ['flow_restored', 'request_delivered'],
  });
  t.deepEqual(node.flows(), whole);
  const met = p.tcp('client:61000 > localPod:8080', 'ACK');
  const sent = p.tcp('client:40000 > otherClusterIP:80', 'ACK');
  node.meets(t, 'egress', p.error('localPod > client', 'port unreachable', met), {
    verdict: 'pass',
    packet: p.error('otherClusterIP > client', 'port unreachable', sent),
    counts: ['icmp_error_translated'],
  });
  node.ageFlows(86_401);
  node.meets(t, 'egress', p.error('localPod > client', 'port unreachable', met), {
    verdict: 'pass',
    packet: 'same',
    counts: ['passed'],
  });
});

row(
  'affinity: a client stays, over all addresses of the port, until it was not heard of for so long',
  async (t, node, p) => {
    const sticky = { affinityTimeoutSeconds: 100 };
    await node.serve(...web(p, ['localPod', 'secondLocalPod'], sticky));
    const dial = (port: number, dialled: (typeof DIALLED)[number] = 'clusterIP:80') =>
      node.ingress(p.tcp(`client:${port} > ${dialled}`, 'SYN')).packet.ip?.destination;
    const first = dial(40_000);
    for (let i = 1; i < 40; i++) t.is(dial(40_000 + i, DIALLED[i % DIALLED.length]), first);
    // Each connection counts anew.
    node.ageAffinities(98);
    t.is(dial(41_000), first);
    node.ageAffinities(98);
    t.is(dial(41_001), first);
    const moved = Array.from({ length: 100 }, (_, i) => {
      node.ageAffinities(101);
      return dial(42_000 + i);
    });
    t.is(new Set(moved).size, 2);
  },
);

row('affinity is the address of a client, and each has its own', async (t, node, p) => {
  const sticky = { affinityTimeoutSeconds: 100 };
  await node.serve(...web(p, ['localPod', 'secondLocalPod'], sticky));
  const dial = (client: 'client' | 'otherClient' | 'stranger' | 'router', port: number) =>
    node.ingress(p.udp(`${client}:${port} > clusterIP:80`)).packet.ip?.destination;
  for (let round = 0; round < 3; round++) {
    const met = (['client', 'otherClient', 'stranger', 'router'] as const).map((client) => {
      const pods = Array.from({ length: 10 }, (_, i) => dial(client, 40_000 + i + 100 * round));
      return new Set(pods).size;
    });
    t.deepEqual(met, [1, 1, 1, 1]);
  }
});

row(
  'affinity to a pod that is gone, or that ends, or that does not count, is none',
  async (t, node, p) => {
    const sticky = { affinityTimeoutSeconds: 100 };
    await node.serve(...web(p, ['localPod'], sticky));
    const dial = (port: number, dialled = 'clusterIP:80') =>
      node.ingress(p.tcp(`client:${port} > ${dialled as 'clusterIP:80'}`, 'SYN')).packet.ip
        ?.destination;
    t.is(dial(40_000), p.at('localPod'));
    await node.serve(...web(p, ['localPod terminating serving', 'secondLocalPod'], sticky));
    t.is(dial(40_001), p.at('secondLocalPod'));
    await node.serve(...web(p, ['localPod'], sticky));
    t.is(dial(40_002), p.at('localPod'));
    await node.serve(...web(p, ['remotePod'], sticky));
    t.is(dial(40_003), p.at('remotePod'));
    const local = { ...sticky, externalTrafficPolicy: 'Local' } as const;
    await node.serve(...web(p, ['remotePod', 'localPod'], local));
    t.is(dial(40_004, 'node:30080'), p.at('localPod'));
  },
);

row(
  'a clusterIP alone: a SYN that comes again gets another backend, until one has answered',
  async (t, node, p) => {
    const request = (flags: string) =>
      node.ingress(p.tcp('client:40000 > otherClusterIP:80', flags));
    await node.serve(...other(p, ['remotePod']));
    t.deepEqual(request('SYN').counts, ['flow_created', 'request_redirected']);
    t.deepEqual(request('SYN').counts, ['flow_replaced', 'request_redirected']);
    node.ingress(p.tcp('remotePod:8080 > node:61000', 'SYN ACK'));
    t.deepEqual(request('SYN').counts, ['request_redirected']);
    request('ACK');
    // Who serves elsewhere is not kept in mind: no stray SYN ends a connection.
    await node.serve(...other(p, ['secondRemotePod']));
    t.deepEqual(request('SYN').counts, ['request_redirected']);
    t.deepEqual(request('ACK').counts, ['request_redirected']);
    request('RST');
    t.deepEqual(request('SYN').counts, ['flow_replaced', 'request_redirected']);
    t.true(node.flows().some((flow) => flow.includes('secondRemotePod')));
  },
);

row(
  'a clusterIP alone: who dials again from the same port is not led for ever to a backend that is gone',
  async (t, node, p) => {
    const request = (flags: string) =>
      node.ingress(p.tcp('client:40000 > otherClusterIP:80', flags)).counts;
    const answer = (flags: string) => node.ingress(p.tcp('remotePod:8080 > node:61000', flags));
    const goesOn = ['request_redirected'];
    await node.serve(...other(p, ['remotePod']));
    request('SYN');
    answer('SYN ACK');
    request('ACK');
    await node.serve(...other(p, ['secondRemotePod']));
    // Somebody else's SYNs end nothing, however they come: the backend answers those that it may.
    for (let i = 0; i < 3; i++) {
      node.letFlowsCheck();
      t.deepEqual(request('SYN'), goesOn);
      answer('ACK');
      t.deepEqual(request('SYN'), goesOn);
    }
    node.letFlowsCheck();
    t.deepEqual(request('SYN'), goesOn);
    t.deepEqual(request('SYN'), goesOn);
    node.letFlowsCheck();
    t.deepEqual(request('SYN'), ['flow_replaced', 'request_redirected']);
    t.true(node.flows().every((flow) => flow.includes('secondRemotePod')));
  },
);

row(
  'a clusterIP alone: what a CPU has noted whose clock is ahead is not long ago',
  async (t, node, p) => {
    const request = (flags: string) =>
      node.ingress(p.tcp('client:40000 > otherClusterIP:80', flags)).counts;
    const goesOn = ['request_redirected'];
    await node.serve(...other(p, ['remotePod']));
    request('SYN');
    node.ingress(p.tcp('remotePod:8080 > node:61000', 'SYN ACK'));
    request('ACK');
    await node.serve(...other(p, ['secondRemotePod']));
    // It is a tick, but that would be over before the packet comes.
    const checkAhead = () =>
      node.changeFlows(({ checkedNs }) => ({ checkedNs: checkedNs + 10_000_000_000n }));
    checkAhead();
    t.deepEqual(request('SYN'), goesOn);
    // So it has not been asked yet.
    node.letFlowsCheck();
    t.deepEqual(request('SYN'), goesOn);
    checkAhead();
    t.deepEqual(request('SYN'), goesOn);
  },
);

row('a clusterIP alone: a backend of this node is known as one', async (t, node, p) => {
  const request = (flags: string) => node.ingress(p.tcp('client:40000 > otherClusterIP:80', flags));
  await node.serve(...other(p, ['localPod']));
  t.deepEqual(request('SYN').counts, ['flow_created', 'request_delivered']);
  t.deepEqual(request('SYN').counts, ['request_delivered']);
  await node.serve(...other(p, ['secondLocalPod']));
  t.deepEqual(request('SYN').counts, ['flow_replaced', 'request_delivered']);
});
