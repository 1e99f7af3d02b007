// SPDX-License-Identifier: Apache-2.0
// New connections and datagrams, and their answers: whoever dials, whatever kind of address, wherever the
// backend is.

import test from 'ava';
import { prefixes } from '../helpers/objects.ts';
import { internetChecksum, pseudoHeader } from './packet/checksum.ts';
import { build, checksumProblems, type Packet } from './packet/packet.ts';
import { DIALLED, rowsOf, web } from './rows.ts';

const row = rowsOf(test);

for (const dialled of DIALLED) {
  row(
    `TCP to ${dialled}, served here: the client is kept, the answer leaves as the service's`,
    async (t, node, p) => {
      await node.serve(...web(p, ['localPod']));
      node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, 'SYN', { seq: 1000 }), {
        verdict: 'pass',
        packet: p.tcp('client:40000 > localPod:8080', 'SYN', { seq: 1000 }),
        counts: ['flow_created', 'request_delivered'],
      });
      t.deepEqual(node.flows(), [
        `TCP client:40000 > ${dialled} = client:40000 > localPod:8080 request`,
        `TCP localPod:8080 > client:40000 = ${dialled} > client:40000 at_egress`,
      ]);
      node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'SYN ACK', { ack: 1001 }), {
        verdict: 'pass',
        packet: p.tcp(`${dialled} > client:40000`, 'SYN ACK', { ack: 1001 }),
        counts: ['reply_delivered'],
      });
      node.meets(
        t,
        'ingress',
        p.tcp(`client:40000 > ${dialled}`, 'PSH ACK', { payload: 'hello' }),
        {
          verdict: 'pass',
          packet: p.tcp('client:40000 > localPod:8080', 'PSH ACK', { payload: 'hello' }),
          counts: ['request_delivered'],
        },
      );
      t.deepEqual(node.flows(), [
        `TCP client:40000 > ${dialled} = client:40000 > localPod:8080 request answered confirmed`,
        `TCP localPod:8080 > client:40000 = ${dialled} > client:40000 at_egress answered confirmed`,
      ]);
    },
  );

  row(
    `TCP to ${dialled}, served elsewhere: masqueraded and sent on, the answer too`,
    async (t, node, p) => {
      await node.serve(...web(p, ['remotePod']));
      node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, 'SYN'), {
        verdict: 'redirect',
        packet: p.tcp('node:61000 > remotePod:8080', 'SYN', {}, { ttl: 63 }),
        counts: ['flow_created', 'request_redirected'],
      });
      t.deepEqual(node.flows(), [
        `TCP client:40000 > ${dialled} = node:61000 > remotePod:8080 request masqueraded`,
        `TCP remotePod:8080 > node:61000 = ${dialled} > client:40000 masqueraded`,
      ]);
      node.meets(t, 'ingress', p.tcp('remotePod:8080 > node:61000', 'SYN ACK'), {
        verdict: 'redirect',
        packet: p.tcp(`${dialled} > client:40000`, 'SYN ACK', {}, { ttl: 63 }),
        counts: ['reply_redirected'],
      });
      node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, 'ACK', { payload: 'odd' }), {
        verdict: 'redirect',
        packet: p.tcp('node:61000 > remotePod:8080', 'ACK', { payload: 'odd' }, { ttl: 63 }),
        counts: ['request_redirected'],
      });
      t.deepEqual(node.flows(), [
        `TCP client:40000 > ${dialled} = node:61000 > remotePod:8080 request masqueraded answered confirmed`,
        `TCP remotePod:8080 > node:61000 = ${dialled} > client:40000 masqueraded answered confirmed`,
      ]);
    },
  );

  row(`UDP to ${dialled}: served here and elsewhere`, async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.meets(t, 'ingress', p.udp(`client:40000 > ${dialled}`), {
      verdict: 'pass',
      packet: p.udp('client:40000 > localPod:8080'),
      counts: ['flow_created', 'request_delivered'],
    });
    node.meets(t, 'egress', p.udp('localPod:8080 > client:40000'), {
      verdict: 'pass',
      packet: p.udp(`${dialled} > client:40000`),
      counts: ['reply_delivered'],
    });
    await node.serve(...web(p, ['remotePod']));
    node.meets(t, 'ingress', p.udp(`client:40001 > ${dialled}`), {
      verdict: 'redirect',
      packet: p.udp('node:61000 > remotePod:8080', {}, { ttl: 63 }),
      counts: ['flow_created', 'request_redirected'],
    });
    node.meets(t, 'ingress', p.udp('remotePod:8080 > node:61000'), {
      verdict: 'redirect',
      packet: p.udp(`${dialled} > client:40001`, {}, { ttl: 63 }),
      counts: ['reply_redirected'],
    });
  });
}

row(
  'a UDP payload of any length, zero and odd ones too, keeps a right checksum',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod', 'remotePod']));
    await node.usePorts({ first: 50_000, count: 1000 });
    for (let length = 0; length < 40; length++) {
      const payload = String.fromCharCode(
        ...Array.from({ length }, (_, i) => (i * 37 + length) & 0xff),
      );
      const { packet, verdict } = node.ingress(
        p.udp(`client:${41_000 + length} > clusterIP:80`, { payload }),
      );
      t.like(packet.body, { protocol: 'UDP', destination: 8080, ...(length ? { payload } : {}) });
      t.is((packet.body as { checksum?: number }).checksum, undefined);
      t.true(['pass', 'redirect'].includes(verdict));
    }
  },
);

row('no checksum stays no checksum, where that is allowed', async (t, node, p) => {
  if (p.family === 'IPv6') {
    t.pass();
    return;
  }
  await node.serve(...web(p, ['localPod']));
  node.meets(t, 'ingress', p.udp('client:40000 > node:30080', { checksum: 0 }), {
    verdict: 'pass',
    packet: p.udp('client:40000 > localPod:8080', { checksum: 0 }),
    counts: ['flow_created', 'request_delivered'],
  });
  node.meets(t, 'egress', p.udp('localPod:8080 > client:40000', { checksum: 0 }), {
    verdict: 'pass',
    packet: p.udp('node:30080 > client:40000', { checksum: 0 }),
    counts: ['reply_delivered'],
  });
});

row('a UDP checksum that comes to 0 is written as ffff', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  // A payload that is the checksum of a packet without it makes the checksum 0.
  const { checksum } = summed(p.udp('client:40000 > localPod:8080', { payload: '\0\0' }));
  const payload = String.fromCharCode(checksum >> 8, checksum & 0xff);
  const expected = p.udp('client:40000 > localPod:8080', { payload });
  t.is(summed(expected).checksum, 0);
  node.meets(t, 'ingress', p.udp('client:40000 > node:30080', { payload }), {
    verdict: 'pass',
    packet: expected,
    counts: ['flow_created', 'request_delivered'],
  });
});

row('a wrong checksum stays wrong by as much: the receiver finds it', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const { bytes } = node.ingress(p.tcp('client:40000 > node:30080', 'SYN', { checksum: 0x1234 }));
  t.deepEqual(checksumProblems(bytes), ['TCP']);
});

row('SCTP: ports stay, and so does its checksum', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.meets(t, 'ingress', p.sctp('client:9000 > external:9000'), {
    verdict: 'pass',
    packet: p.sctp('client:9000 > localPod:9000'),
    counts: ['flow_created', 'request_delivered'],
  });
  node.meets(t, 'egress', p.sctp('localPod:9000 > client:9000'), {
    verdict: 'pass',
    packet: p.sctp('external:9000 > client:9000'),
    counts: ['reply_delivered'],
  });
});

row('SCTP elsewhere: masqueraded with the port of the client', async (t, node, p) => {
  await node.serve(...web(p, ['remotePod']));
  node.meets(t, 'ingress', p.sctp('client:9000 > clusterIP:9000'), {
    verdict: 'redirect',
    packet: p.sctp('node:9000 > remotePod:9000', {}, { ttl: 63 }),
    counts: ['flow_created', 'request_redirected'],
  });
  node.meets(t, 'ingress', p.sctp('remotePod:9000 > node:9000'), {
    verdict: 'redirect',
    packet: p.sctp('clusterIP:9000 > client:9000', {}, { ttl: 63 }),
    counts: ['reply_redirected'],
  });
});

row(
  'SCTP whose port would change is dropped: by the service, or by another client',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    node.meets(t, 'ingress', p.sctp('client:9000 > node:30900'), {
      verdict: 'drop',
      counts: ['dropped_sctp_port'],
    });
    node.ingress(p.sctp('client:9000 > clusterIP:9000'));
    const { verdict, counts } = node.ingress(p.sctp('otherClient:9000 > clusterIP:9000'));
    t.is(verdict, 'drop');
    t.deepEqual(counts, ['dropped_sctp_port']);
    t.is(node.flows().length, 2);
  },
);

row(
  'headers with options and extensions: what is behind them is found and mended',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'SYN', {}, p.longHeader), {
      verdict: 'pass',
      packet: p.tcp('client:40000 > localPod:8080', 'SYN', {}, p.longHeader),
      counts: ['flow_created', 'request_delivered'],
    });
    node.meets(t, 'egress', p.tcp('localPod:8080 > client:40000', 'SYN ACK', {}, p.longHeader), {
      verdict: 'pass',
      packet: p.tcp('node:30080 > client:40000', 'SYN ACK', {}, p.longHeader),
      counts: ['reply_delivered'],
    });
  },
);

row('what else is in the headers stays as it is', async (t, node, p) => {
  const ip =
    p.family === 'IPv4'
      ? ({ trafficClass: 0xb9, id: 0x4711, dontFragment: true, ttl: 3 } as const)
      : { trafficClass: 0xb9, flowLabel: 0x12345, ttl: 3 };
  const tcp = { options: '\x02\x04\x05\xb4\x01\x01\x04\x02', window: 1024, urgent: 5, reserved: 1 };
  await node.serve(...web(p, ['localPod']));
  node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'SYN ECE CWR', tcp, ip), {
    verdict: 'pass',
    packet: p.tcp('client:40000 > localPod:8080', 'SYN ECE CWR', tcp, ip),
    counts: ['flow_created', 'request_delivered'],
  });
});

row('two pods serve: both get connections', async (t, node, p) => {
  await node.serve(...web(p, ['localPod', 'secondLocalPod']));
  const met = new Set<string>();
  for (let port = 40_000; port < 40_100; port++) {
    met.add(
      `${node.ingress(p.tcp(`client:${port} > clusterIP:80`, 'SYN')).packet.ip?.destination}`,
    );
  }
  t.deepEqual([...met].sort(), [p.at('localPod'), p.at('secondLocalPod')].sort());
});

row(
  'Maglev: who connects decides, on every node alike; few move when a pod goes',
  async (t, node, p) => {
    const pods = ['localPod', 'secondLocalPod', 'remotePod', 'secondRemotePod'] as const;
    const maglev = { balancing: 'maglev' } as const;
    const landings = async (endpoints: readonly (typeof pods)[number][]) => {
      await node.reset();
      await node.serve(...web(p, endpoints, maglev));
      await node.usePorts({ first: 50_000, count: 1000 });
      return Array.from(
        { length: 200 },
        (_, i) =>
          node.ingress(p.tcp(`client:${40_000 + i} > external:80`, 'SYN')).packet.ip?.destination,
      );
    };
    const first = await landings(pods);
    t.is(new Set(first).size, pods.length);
    t.deepEqual(await landings([...pods].reverse()), first);
    const fewer = await landings(pods.slice(0, 3));
    const moved = first.filter((pod, i) => pod !== p.at('secondRemotePod') && pod !== fewer[i]);
    t.true(moved.length < 20, `${moved.length} of 200 moved without need`);
  },
);

row(
  'a client in a pod of this node, by its device: never masqueraded but to itself',
  async (t, node, p) => {
    await node.serve(...web(p, ['remotePod']));
    const dial = p.tcp('localPod:40000 > clusterIP:80', 'SYN');
    node.meets(
      t,
      'ingress',
      dial,
      {
        verdict: 'pass',
        packet: p.tcp('localPod:40000 > remotePod:8080', 'SYN'),
        counts: ['flow_created', 'request_delivered'],
      },
      'pod',
    );
    node.meets(
      t,
      'egress',
      p.tcp('remotePod:8080 > localPod:40000', 'SYN ACK'),
      {
        verdict: 'pass',
        packet: p.tcp('clusterIP:80 > localPod:40000', 'SYN ACK'),
        counts: ['reply_delivered'],
      },
      'pod',
    );
    await node.serve(...web(p, ['localPod']));
    node.meets(
      t,
      'ingress',
      p.tcp('localPod:40001 > clusterIP:80', 'SYN'),
      {
        verdict: 'redirect',
        packet: p.tcp('node:61000 > localPod:8080', 'SYN', {}, { ttl: 63 }),
        counts: ['flow_created', 'request_redirected'],
      },
      'pod',
    );
    node.meets(
      t,
      'ingress',
      p.tcp('localPod:8080 > node:61000', 'SYN ACK'),
      {
        verdict: 'redirect',
        packet: p.tcp('clusterIP:80 > localPod:40001', 'SYN ACK', {}, { ttl: 63 }),
        counts: ['reply_redirected'],
      },
      'pod',
    );
  },
);

row('policy Local: outside the pods here, silence without; inside all pods', async (t, node, p) => {
  const local = { externalTrafficPolicy: 'Local' } as const;
  await node.serve(...web(p, ['localPod', 'remotePod'], local));
  await node.usePorts({ first: 50_000, count: 1000 });
  for (let port = 40_000; port < 40_020; port++) {
    for (const dialled of ['external:80', 'loadBalancer:80', 'node:30080'] as const) {
      const { packet, verdict } = node.ingress(p.tcp(`client:${port} > ${dialled}`, 'SYN'));
      t.is(verdict, 'pass');
      t.is(packet.ip?.destination, p.at('localPod'));
    }
  }
  await node.serve(...web(p, ['remotePod'], local));
  for (const dialled of ['external:80', 'loadBalancer:80', 'node:30080'] as const) {
    for (const packet of [
      p.tcp(`client:50000 > ${dialled}`, 'SYN'),
      p.udp(`client:50000 > ${dialled}`),
    ]) {
      node.meets(t, 'ingress', packet, { verdict: 'drop', counts: ['dropped_no_local_endpoints'] });
    }
  }
  // Of another node's pod: inside by its address.
  await node.usePorts({ first: 61_000, count: 1 });
  node.meets(t, 'ingress', p.tcp('secondRemotePod:50000 > node:30080', 'SYN'), {
    verdict: 'redirect',
    packet: p.tcp('node:61000 > remotePod:8080', 'SYN', {}, { ttl: 63 }),
    counts: ['flow_created', 'request_redirected'],
  });
  // A clusterIP is not external.
  await node.usePorts({ first: 62_000, count: 1 });
  node.meets(t, 'ingress', p.tcp('client:50000 > clusterIP:80', 'SYN'), {
    verdict: 'redirect',
    packet: p.tcp('node:62000 > remotePod:8080', 'SYN', {}, { ttl: 63 }),
    counts: ['flow_created', 'request_redirected'],
  });
});

row(
  'policy Local inside: the pods here or silence, to everybody who dials the clusterIP',
  async (t, node, p) => {
    const local = { internalTrafficPolicy: 'Local' } as const;
    await node.serve(...web(p, ['localPod', 'remotePod'], local));
    for (let port = 40_000; port < 40_020; port++) {
      for (const client of ['client', 'secondRemotePod'] as const) {
        const { packet } = node.ingress(p.tcp(`${client}:${port} > clusterIP:80`, 'SYN'));
        t.is(packet.ip?.destination, p.at('localPod'));
      }
    }
    await node.serve(...web(p, ['remotePod'], local));
    for (const client of ['client', 'secondRemotePod'] as const) {
      for (const packet of [
        p.tcp(`${client}:1 > clusterIP:80`, 'SYN'),
        p.udp(`${client}:1 > clusterIP:80`),
      ]) {
        node.meets(t, 'ingress', packet, {
          verdict: 'drop',
          counts: ['dropped_no_local_endpoints'],
        });
      }
    }
  },
);

row('source ranges: of the load balancer alone', async (t, node, p) => {
  const only = (range: string) => ({ loadBalancerSourceRanges: prefixes(range) });
  const [here, elsewhere] =
    p.family === 'IPv4'
      ? ['203.0.113.7/32', '192.0.2.0/24']
      : [`${p.at('client')}/128`, '2001:db8::/32'];
  const accepted = { verdict: 'pass', counts: ['flow_created', 'request_delivered'] } as const;
  const dropped = { verdict: 'drop', counts: ['dropped_source_not_allowed'] } as const;
  await node.serve(...web(p, ['localPod'], only(here)));
  node.meets(t, 'ingress', p.tcp('client:40000 > loadBalancer:80', 'SYN'), accepted);
  node.meets(t, 'ingress', p.tcp('otherClient:40000 > loadBalancer:80', 'SYN'), dropped);
  node.meets(t, 'ingress', p.udp('otherClient:40000 > loadBalancer:80'), dropped);
  node.meets(t, 'ingress', p.tcp('otherClient:40000 > external:80', 'SYN'), accepted);
  node.meets(t, 'ingress', p.tcp('otherClient:40001 > node:30080', 'SYN'), accepted);
  node.meets(t, 'ingress', p.tcp('otherClient:40002 > clusterIP:80', 'SYN'), accepted);
  await node.serve(...web(p, ['localPod'], only(elsewhere)));
  node.meets(t, 'ingress', p.tcp('client:40005 > loadBalancer:80', 'SYN'), dropped);
  // Blocked before anybody is told that nobody serves (semantics 1.18).
  await node.serve(...web(p, [], only(elsewhere)));
  node.meets(t, 'ingress', p.tcp('client:40006 > loadBalancer:80', 'SYN'), dropped);
  // What goes on already is not asked again.
  node.meets(t, 'ingress', p.tcp('client:40000 > loadBalancer:80', 'ACK'), {
    verdict: 'pass',
    counts: ['request_delivered'],
  });
});

row('a nodePort is served on every address of the node, and on no other', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.meets(t, 'ingress', p.tcp('client:40000 > narrowNode:30080', 'SYN'), {
    verdict: 'pass',
    packet: p.tcp('client:40000 > localPod:8080', 'SYN'),
    counts: ['flow_created', 'request_delivered'],
  });
  for (const elsewhere of ['otherNode', 'stranger', 'localPod'] as const) {
    node.meets(t, 'ingress', p.tcp(`client:40000 > ${elsewhere}:30080`, 'SYN'), {
      verdict: 'pass',
      packet: 'same',
      counts: ['passed'],
    });
  }
});

row('a protocol that the port does not have is another port', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  for (const packet of [p.sctp('client:1 > node:30080'), p.sctp('client:1 > external:80')]) {
    node.meets(t, 'ingress', packet, { verdict: 'pass', packet: 'same', counts: ['passed'] });
  }
});

/** The checksum of a UDP packet, by its sum alone. */
function summed({ ip, body }: Packet): { readonly checksum: number } {
  if (!ip) throw new Error('there is no IP header');
  const whole = build({ ip, body: { ...body, checksum: 0 } as Packet['body'] });
  const datagram = whole.subarray(whole.length - 10);
  const pseudo = pseudoHeader(ip.source, ip.destination, 17, datagram.length);
  return { checksum: internetChecksum(pseudo, datagram) };
}

row(
  'a backend that is this node itself, of which nobody says so, sees the client',
  async (t, node, p) => {
    await node.serve(...web(p, ['node']));
    node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', 'SYN'), {
      verdict: 'pass',
      packet: p.tcp('client:40000 > node:8080', 'SYN'),
      counts: ['flow_created', 'request_delivered'],
    });
    node.meets(t, 'egress', p.tcp('node:8080 > client:40000', 'SYN ACK'), {
      verdict: 'pass',
      packet: p.tcp('clusterIP:80 > client:40000', 'SYN ACK'),
      counts: ['reply_delivered'],
    });
  },
);

row(
  'a backend behind a device of the node without programs sees the client, too',
  async (t, node, p) => {
    await node.serve(...web(p, ['narrowPod']));
    node.describe('narrow', { isServed: false });
    try {
      node.meets(t, 'ingress', p.tcp('client:40000 > clusterIP:80', 'SYN'), {
        verdict: 'pass',
        packet: p.tcp('client:40000 > narrowPod:8080', 'SYN'),
        counts: ['flow_created', 'request_delivered'],
      });
    } finally {
      node.describe('narrow');
    }
    // Answers of one behind a device that has them come in there.
    node.meets(t, 'ingress', p.tcp('client:40001 > clusterIP:80', 'SYN'), {
      verdict: 'redirect',
      packet: p.tcp('narrowNode:61000 > narrowPod:8080', 'SYN', {}, { ttl: 63 }),
      counts: ['flow_created', 'request_redirected'],
    });
  },
);
