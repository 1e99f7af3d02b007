// SPDX-License-Identifier: Apache-2.0
// A node changes hands: what another proxy translates goes on beside ours, what ours translates goes on while another
// one takes what is new, and what another build has translated goes on with this one.

import test from 'ava';
import { NodeFlags } from '../../agent/sys/layout.gen.ts';
import type { Packet } from './packet/packet.ts';
import type { Packets } from './places.ts';
import { DIALLED, rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const SAME = { verdict: 'pass', packet: 'same', counts: ['passed'] } as const;

/** In the middle of connections of which no flow is known. */
function strays(p: Packets): Packet[] {
  return ['ACK', 'PSH ACK', 'FIN ACK', 'SYN ACK'].flatMap((flags) => [
    ...DIALLED.map((dialled) => p.tcp(`client:40000 > ${dialled}`, flags)),
    // An answer to what another proxy has masqueraded with a port that is ours, too.
    p.tcp('remotePod:8080 > node:61000', flags),
  ]);
}

for (const flag of ['BESIDE', 'DRAINING'] as const) {
  row(
    `${flag}: connections that are not ours are left to whoever knows them`,
    async (t, node, p) => {
      await node.serve(...web(p, ['localPod']));
      node.setNodeFlags(NodeFlags[flag]);
      for (const packet of strays(p)) node.meets(t, 'ingress', packet, SAME);
      node.setNodeFlags(0);
      const { counts } = node.ingress(p.tcp('client:40000 > clusterIP:80', 'ACK'));
      t.deepEqual(counts, ['refused_unknown_flow']);
    },
  );
}

row('BESIDE: what is new is ours', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.setNodeFlags(NodeFlags.BESIDE);
  for (const dialled of DIALLED) {
    for (const packet of [
      p.tcp(`client:40000 > ${dialled}`, 'SYN'),
      p.udp(`client:40000 > ${dialled}`),
    ]) {
      const { verdict, counts } = node.ingress(packet);
      t.deepEqual([verdict, counts], ['pass', ['flow_created', 'request_delivered']]);
    }
    await node.reset();
    await node.serve(...web(p, ['localPod']));
    node.setNodeFlags(NodeFlags.BESIDE);
  }
});

row('DRAINING: what is new is left alone, what goes on is served', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  for (const packet of [
    p.tcp('client:40000 > node:30080', 'SYN'),
    p.udp('client:40000 > node:30080'),
  ])
    t.deepEqual(node.ingress(packet).counts, ['flow_created', 'request_delivered']);
  node.setNodeFlags(NodeFlags.DRAINING);
  for (const dialled of DIALLED) {
    node.meets(t, 'ingress', p.tcp(`client:40001 > ${dialled}`, 'SYN'), SAME);
    node.meets(t, 'ingress', p.udp(`client:40001 > ${dialled}`), SAME);
  }
  for (const flags of ['SYN', 'ACK', 'PSH ACK'])
    t.deepEqual(node.ingress(p.tcp('client:40000 > node:30080', flags)).counts, [
      'request_delivered',
    ]);
  t.deepEqual(node.ingress(p.udp('client:40000 > node:30080')).counts, ['request_delivered']);
  t.deepEqual(node.egress(p.tcp('localPod:8080 > client:40000', 'ACK')).counts, [
    'reply_delivered',
  ]);
  // Once it has ended, its client's next connection is another proxy's.
  node.ingress(p.tcp('client:40000 > node:30080', 'FIN ACK'));
  node.egress(p.tcp('localPod:8080 > client:40000', 'FIN ACK'));
  node.meets(t, 'ingress', p.tcp('client:40000 > node:30080', 'SYN'), SAME);
  t.deepEqual(
    node.flows().filter((flow) => flow.startsWith('TCP')),
    [],
  );
});

row(
  'DRAINING: no endpoints, source ranges and unallocated addresses are not ours to say',
  async (t, node, p) => {
    await node.serve(...web(p, []));
    node.setNodeFlags(NodeFlags.DRAINING);
    for (const dialled of [...DIALLED, 'clusterIP:81'] as const)
      node.meets(t, 'ingress', p.tcp(`client:40001 > ${dialled}`, 'SYN'), SAME);
  },
);

row(
  'DRAINING: once handed over, what comes is left alone, and what was sent before is answered',
  async (t, node, p) => {
    for (const [backend, direction, seenAs] of [
      ['localPod', 'egress', 'client:40000'],
      ['remotePod', 'ingress', 'node:61000'],
    ] as const) {
      await node.reset();
      await node.serve(...web(p, [backend]));
      const ask = p.udp('client:40000 > node:30080');
      const answer = p.udp(`${backend}:8080 > ${seenAs}`);
      t.true(node.ingress(ask).counts.includes('flow_created'));
      const answered = node.run(direction, answer, 'uplink');
      node.setNodeFlags(NodeFlags.DRAINING);
      node.handOver();
      node.meets(t, 'ingress', ask, SAME);
      // As if it had been under way for long: no answer makes the flow anew.
      node.letFlowsCheck();
      t.deepEqual(node.run(direction, answer, 'uplink'), answered);
      node.meets(t, 'ingress', ask, SAME);
    }
  },
);

row('CARRYING: nobody hears that there is no such connection', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  for (const flag of [0, NodeFlags.BESIDE]) {
    node.setNodeFlags(NodeFlags.CARRYING | flag);
    const ofOurs = [
      ...strays(p),
      // Backends need not be in the cluster.
      p.tcp('stranger:8080 > node:61000', 'ACK'),
    ];
    for (const packet of ofOurs)
      node.meets(t, 'ingress', packet, { verdict: 'drop', counts: ['dropped_unknown_reply'] });
    for (const dialled of ['node:22', 'clusterIP:81', 'external:81', 'remotePod:8080'] as const)
      node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, 'ACK'), SAME);
  }
});

row('CARRYING: what is new is served, and what is known goes on', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.setNodeFlags(NodeFlags.CARRYING);
  for (const dialled of DIALLED) {
    for (const packet of [
      p.tcp(`client:40000 > ${dialled}`, 'SYN'),
      p.udp(`client:40000 > ${dialled}`),
    ])
      t.true(node.ingress(packet).counts.includes('flow_created'));
    t.deepEqual(node.ingress(p.tcp(`client:40000 > ${dialled}`, 'ACK')).counts, [
      'request_delivered',
    ]);
    await node.reset();
    await node.serve(...web(p, ['localPod']));
    node.setNodeFlags(NodeFlags.CARRYING);
  }
});

row('CARRYING while DRAINING: what is not ours to say is left alone', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.setNodeFlags(NodeFlags.CARRYING | NodeFlags.DRAINING);
  for (const dialled of DIALLED)
    node.meets(t, 'ingress', p.tcp(`client:40000 > ${dialled}`, 'ACK'), SAME);
});
