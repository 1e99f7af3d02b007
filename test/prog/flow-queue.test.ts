// SPDX-License-Identifier: Apache-2.0
// Which flows make room when others come: none that a client has confirmed and that goes on, whatever comes; else the
// one whose place in the queue is longest taken. That the queue comes round, and is crowded, is made believe.

import test from 'ava';
import type { PacketNode } from './packet-node.ts';
import type { Packets } from './places.ts';
import { rowsOf, web } from './rows.ts';

const row = rowsOf(test);

const FLOW = 'TCP client:40000 > clusterIP:80 = client:40000 > localPod:8080 request';
const CREATED = ['flow_created', 'request_delivered'];
const PUSHED = ['flow_created', 'flow_pushed_out', 'request_delivered'];

/** What a newcomer finds in its place goes, or stays. @returns what was counted. */
function comesRound(
  node: PacketNode,
  p: Packets,
  port = 50_000,
  isCrowded = false,
): readonly string[] {
  node.letQueueComeRound(isCrowded);
  return node.ingress(p.tcp(`client:${port} > clusterIP:80`, 'SYN')).counts;
}

function isThere(node: PacketNode): boolean {
  const entries = node.flows().filter((flow) => flow.includes('client:40000'));
  if (entries.length % 2) throw new Error(`half a flow: ${entries}`);
  return entries.length > 0;
}

/** A connection to the local pod, or the next packets of it: of the client, `<` of the pod. */
function send(node: PacketNode, p: Packets, ...packets: readonly string[]): void {
  for (const flags of packets) {
    if (flags.startsWith('<')) node.egress(p.tcp('localPod:8080 > client:40000', flags.slice(1)));
    else node.ingress(p.tcp('client:40000 > clusterIP:80', flags));
  }
}

const ESTABLISHED = ['SYN', '<SYN ACK', 'ACK'];

const MAKES_ROOM: Record<string, readonly string[]> = {
  'not answered': ['SYN'],
  'answered, and nobody goes on': ['SYN', '<SYN ACK'],
};

const ENDED: Record<string, readonly string[]> = {
  closed: [...ESTABLISHED, 'FIN ACK', '<FIN ACK'],
  'kept in TIME_WAIT by the backend': [...ESTABLISHED, '<FIN ACK', 'FIN ACK'],
  'reset by the client': [...ESTABLISHED, 'RST'],
  'reset by the backend': [...ESTABLISHED, '<RST'],
};

for (const [state, packets] of Object.entries(MAKES_ROOM)) {
  row(`${state}: it makes room for the next one, both halves of it`, async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    send(node, p, ...packets);
    t.true(isThere(node));
    t.deepEqual(comesRound(node, p), PUSHED);
    t.false(isThere(node));
    // The newcomer has its place.
    t.deepEqual(comesRound(node, p, 50_001), PUSHED);
    t.is(node.flows().length, 2);
  });
}

for (const [state, packets] of Object.entries(ENDED)) {
  row(`${state}: it makes room in a crowd; else it finds another place`, async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    send(node, p, ...packets);
    const before = node.flows();
    t.deepEqual(comesRound(node, p), CREATED);
    for (const entry of before) t.true(node.flows().includes(entry), entry);

    await node.reset();
    await node.serve(...web(p, ['localPod']));
    send(node, p, ...packets);
    t.deepEqual(comesRound(node, p, 50_000, true), PUSHED);
    t.false(isThere(node));
  });
}

row('a crowd is over when enough places are free', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  send(node, p, 'SYN');
  t.deepEqual(comesRound(node, p, 50_000, true), PUSHED);
  send(node, p, 'SYN');
  t.true(node.isQueueCrowded);
  node.ingress(p.tcp('client:50001 > clusterIP:80', 'SYN'));
  t.false(node.isQueueCrowded);
});

const STAYS: Record<string, readonly string[]> = {
  established: ESTABLISHED,
  'half closed': [...ESTABLISHED, 'FIN ACK'],
  'half closed by the backend': [...ESTABLISHED, '<FIN ACK'],
  'reset by somebody, and the backend goes on': [...ESTABLISHED, 'RST', '<ACK'],
};

for (const [state, packets] of Object.entries(STAYS)) {
  row(`${state}: it stays, however often the queue comes round`, async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    send(node, p, ...packets);
    const before = node.flows();
    for (const counts of [comesRound(node, p), comesRound(node, p, 50_001)]) {
      t.true(counts.includes('request_delivered'));
      for (const entry of before) t.true(node.flows().includes(entry), entry);
    }
    // From then on it is out of the queue, until it has ended.
    t.deepEqual(comesRound(node, p, 50_002), PUSHED);
    t.true(isThere(node));
    node.letQueueComeRound();
    send(node, p, '<FIN ACK', 'FIN ACK', 'RST');
    t.true(isThere(node));
    t.deepEqual(comesRound(node, p, 50_003, true), PUSHED);
    t.false(isThere(node));
  });
}

row('what is over makes room, and is not missed', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  send(node, p, 'SYN');
  node.ageFlows(61);
  t.deepEqual(comesRound(node, p), CREATED);
  t.false(isThere(node));
});

row('the same ends again have a place of their own', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  send(node, p, ...ESTABLISHED, 'FIN ACK', '<FIN ACK');
  send(node, p, ...ESTABLISHED);
  t.deepEqual(comesRound(node, p), CREATED);
  t.true(isThere(node));
});

row('a half that was lost comes back to its place', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  send(node, p, 'SYN', '<SYN ACK');
  node.forgetFlows((flow) => !flow.includes(' request'));
  node.letFlowsCheck();
  send(node, p, 'SYN');
  t.is(node.flows().length, 2);
  t.deepEqual(comesRound(node, p), PUSHED);
  t.false(isThere(node));
});

row(
  'UDP that goes on finds another place; in a crowd, if it was used since',
  async (t, node, p) => {
    await node.serve(...web(p, ['localPod']));
    const request = () => node.ingress(p.udp('client:40000 > clusterIP:80'));
    const used = (seconds: bigint) =>
      node.changeFlows(
        ({ lastUsedNs }) => ({ lastUsedNs: lastUsedNs + seconds * 1_000_000_000n }),
        (flow) => flow.includes('client:40000'),
      );
    const begin = async () => {
      await node.reset();
      await node.serve(...web(p, ['localPod']));
      request();
      node.egress(p.udp('localPod:8080 > client:40000'));
      request();
    };
    await begin();
    used(-20n);
    t.deepEqual(comesRound(node, p), CREATED);
    t.true(isThere(node));

    await begin();
    used(1n);
    t.deepEqual(comesRound(node, p, 50_000, true), CREATED);
    t.true(isThere(node));

    await begin();
    used(-20n);
    t.deepEqual(comesRound(node, p, 50_000, true), PUSHED);
    t.false(isThere(node));
  },
);

row('who finds another place takes it from nobody who has just begun', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const COUNT = 200;
  for (let port = 40_001; port <= 40_000 + COUNT; port++) {
    node.ingress(p.udp(`client:${port} > clusterIP:80`));
    node.egress(p.udp(`localPod:8080 > client:${port}`));
    node.ingress(p.udp(`client:${port} > clusterIP:80`));
  }
  // An eighth of all places.
  for (let port = 1; port <= 2048; port++)
    node.ingress(p.tcp(`otherClient:${port} > clusterIP:80`, 'SYN'));
  node.letQueueComeRound();
  let pushedOut = 0;
  for (let port = 50_001; port <= 50_000 + COUNT; port++) {
    const { counts } = node.ingress(p.tcp(`client:${port} > clusterIP:80`, 'SYN'));
    if (counts.includes('flow_pushed_out')) pushedOut++;
  }
  // One in a million may have found eight in its way.
  t.true(pushedOut <= 2, `${pushedOut} pushed out`);
});

row('UDP that was answered once makes room, however lately it was used', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.udp('client:40000 > clusterIP:80'));
  node.egress(p.udp('localPod:8080 > client:40000'));
  node.changeFlows(({ lastUsedNs }) => ({ lastUsedNs: lastUsedNs + 1_000_000_000n }));
  t.deepEqual(comesRound(node, p), PUSHED);
  t.false(isThere(node));
});

row('halves of a translation go with the whole', async (t, node, p) => {
  await node.serve(...web(p, ['narrowPod', 'narrowPod']));
  node.ingress(p.udp('client:40000 > node:30080', { payload: 'x'.repeat(1300) }));
  t.is(node.flows().length, 4);
  node.letQueueComeRound();
  node.ingress(p.udp('client:50000 > node:30080'));
  t.deepEqual(
    node.flows().filter((flow) => flow.includes('client:40000') || flow.includes('client:61000')),
    [],
  );
});

row('halves of a translation go with what gives its port away', async (t, node, p) => {
  await node.serve(...web(p, ['narrowPod']));
  node.ingress(p.udp('client:40000 > node:30080', { payload: 'x'.repeat(1300) }));
  t.is(node.flows().length, 4);
  node.ageFlows(31);
  node.ingress(p.udp('otherClient:50000 > node:30080'));
  t.deepEqual(
    node.flows().filter((flow) => !flow.includes('otherClient:50000')),
    [],
  );
});

row('a table that is full takes nothing new, but what makes room in it', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  send(node, p, 'SYN');
  node.fillFlows();
  t.deepEqual(node.ingress(p.tcp('client:50000 > clusterIP:80', 'SYN')).counts, [
    'dropped_flow_table',
  ]);
  t.deepEqual(comesRound(node, p), PUSHED);
  t.true(node.flows().some((flow) => flow.includes('client:50000')));
});

row('a table that is full of what is over is cleared without an agent', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  const dial = (port: number) => node.ingress(p.tcp(`client:${port} > clusterIP:80`, 'SYN')).counts;
  send(node, p, ...ESTABLISHED);
  node.fillFlows();
  t.deepEqual(dial(50_000), ['dropped_flow_table']);
  t.deepEqual(dial(50_000), CREATED);
  t.true(isThere(node));
});

row('a flood leaves what is established', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  send(node, p, ...ESTABLISHED);
  for (let port = 1; port <= 40_000; port++) {
    if (port !== 40_000) node.ingress(p.tcp(`otherClient:${port} > clusterIP:80`, 'SYN'));
  }
  t.true(isThere(node));
  t.true(node.flows().length < 2 * 16_384 + 10);
  t.is(node.ingress(p.tcp('client:40000 > clusterIP:80', 'ACK')).verdict, 'pass');
  t.true(node.flows().some((flow) => flow.startsWith(FLOW)));
});
