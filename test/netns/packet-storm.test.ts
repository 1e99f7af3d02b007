// SPDX-License-Identifier: Apache-2.0
// Thousands of short connections from outside that use the same few ports again and again: each is served at
// once. One that meets what is left of an earlier one, there or at the backend, stalls until its SYN is sent again.
// Backends end first, unless it is said: they keep their connections in TIME_WAIT.

import test, { type ExecutionContext } from 'ava';
import { runStorm, type Storm } from './connection-storm.ts';
import { twinOf } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, NODE_IP, OTHER_CLIENT, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService } from './packet-services.ts';

const FEW_PORTS = { firstPort: 20_000, ports: 64, flight: 8 };
const COUNT = 20_000;
/** What the machine may lose by itself. */
const A_HANDFUL = 5;

const [LOCAL, REMOTE, ALL] = [1, 2, 3];

const SERVICES: readonly [
  backends: string,
  number: number,
  pods: readonly string[],
  count: number,
][] = [
  ['a local backend', LOCAL, LOCAL_PODS.slice(0, 1), COUNT],
  ['a remote backend', REMOTE, REMOTE_PODS.slice(0, 1), COUNT],
  ['any backend', ALL, [...LOCAL_PODS, ...REMOTE_PODS], COUNT / 2],
];

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write(
    'services',
    SERVICES.flatMap(([, number, pods]) => packetService(number, pods)),
  );
  await node.agent.start();
});

for (const [backends, number, , count] of SERVICES) {
  test.serial(`${count} connections to ${backends}: none stalls`, async (t) => {
    if (!canMakeNodes(t)) return;
    // Two clients with the same ports at the same time.
    const storms = [CLIENT, OTHER_CLIENT].map((source) => ({
      ...to(number),
      source,
      count: count / 2,
    }));
    await noneStalls(t, storms);
    const ipv6 = { source: twinOf(CLIENT), address: twinOf(NODE_IP) };
    await noneStalls(t, [{ ...to(number), ...ipv6, count: count / 10 }]);
  });
}

test.serial('connections that the client resets: none stalls', async (t) => {
  if (!canMakeNodes(t)) return;
  await noneStalls(t, [{ ...to(ALL), end: 'reset', count: COUNT / 4 }]);
});

test.serial('connections from many ports, and from all of them again: none stalls', async (t) => {
  if (!canMakeNodes(t)) return;
  const storm = { ...to(REMOTE), firstPort: 30_000, ports: 6_000, count: 6_000 };
  await noneStalls(t, [storm]);
  await noneStalls(t, [storm]);
});

function to(number: number): Storm {
  const { nodePort } = addressesOf(number);
  return {
    ...FEW_PORTS,
    source: CLIENT,
    address: NODE_IP,
    port: nodePort,
    end: 'bye',
    count: COUNT,
  };
}

/** Runs the storms at the same time. */
async function noneStalls(t: ExecutionContext, storms: readonly Storm[]): Promise<void> {
  const { node, client } = network();
  const results = await Promise.all(storms.map((storm) => runStorm(node, client, storm)));
  for (const [i, { greeted, failed, retransmitted }] of results.entries()) {
    t.deepEqual({ greeted, failed }, { greeted: Number(storms[i]?.count), failed: {} });
    t.true(retransmitted <= A_HANDFUL, `${retransmitted} SYNs sent again`);
  }
}
