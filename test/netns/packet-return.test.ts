// SPDX-License-Identifier: Apache-2.0
// A node with two uplinks: packets come in by either, and leave by the one that the routes say.

import test from 'ava';
import { configureNamespace } from '../lab/netns.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import {
  BRIDGED_POD,
  CLIENT,
  LOCAL_PODS,
  NODE_IP,
  REMOTE_PODS,
  ROUTER_TO_NODES,
  SECOND_NODE_IP,
} from './packet-plan.ts';
import { comeTo, keeping, REFUSED, type Row, servedBy } from './packet-rows.ts';
import { addressesOf, packetService, waysTo } from './packet-services.ts';

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;

const BACKENDS: readonly [backend: string, number: number, seen: string][] = [
  [LOCAL, 1, keeping(CLIENT)],
  [BRIDGED_POD, 2, keeping(CLIENT)],
  [NODE_IP, 3, keeping(CLIENT)],
  [REMOTE, 4, NODE_IP],
];
const EMPTY = 5;

const network = packetNetworkForFile(test, { secondUplink: true }, async ({ node }) => {
  node.write('services', [
    ...BACKENDS.flatMap(([backend, number]) => packetService(number, [backend])),
    ...packetService(EMPTY, []),
  ]);
  await node.agent.start();
});

test.serial('replies leave by another uplink, translated', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = BACKENDS.flatMap(([backend, number, seen]) =>
    onBothUplinks(number).flatMap((way): Row[] => {
      const each = { ...way, source: CLIENT, becomes: servedBy(backend, seen) };
      return [
        { ...each, kinds: ['tcp'], size: 200_000 },
        { ...each, kinds: ['udp'], size: 8_000 },
      ];
    }),
  );
  await comeTo(t, network(), rows);
});

test.serial('refusals too', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = onBothUplinks(EMPTY).map((way) => ({ ...way, source: CLIENT, becomes: REFUSED }));
  await comeTo(t, network(), rows);
});

// As the AWS VPC CNI has it: the pod's address belongs to a network card of its own, beyond which nobody takes
// packets from another one's.
test.serial(
  'replies of a pod with routes of its own leave by the way of what was dialled',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const { node, router } = network();
    // One family is enough, and `ip -batch` knows rules of IPv4 alone.
    await network().configure(
      node,
      `rule add from ${LOCAL} pref 1536 lookup 7`,
      `route add default via ${ROUTER_TO_NODES} table 7`,
    );
    await configureNamespace(router.namespace, {
      sysctls: { 'net.ipv4.conf.nodes.rp_filter': 1 },
      commands: [],
    });
    const [number] = BACKENDS.flatMap(([backend, n]) => (backend === LOCAL ? [n] : []));
    const { nodePort } = addressesOf(number as number);
    const row: Row = {
      address: SECOND_NODE_IP,
      port: nodePort,
      source: CLIENT,
      becomes: servedBy(LOCAL, keeping(CLIENT)),
    };
    await comeTo(t, network(), [
      { ...row, kinds: ['tcp'], size: 200_000 },
      { ...row, kinds: ['udp'], size: 8_000 },
    ]);
  },
);

function onBothUplinks(number: number) {
  const { nodePort } = addressesOf(number);
  return [...waysTo(number), { address: SECOND_NODE_IP, port: nodePort }];
}
