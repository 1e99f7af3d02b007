// SPDX-License-Identifier: Apache-2.0
// A node with two uplinks: packets come in by either, and leave by the one that the routes say.

import test from 'ava';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import {
  BRIDGED_POD,
  CLIENT,
  LOCAL_PODS,
  NODE_IP,
  REMOTE_PODS,
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

function onBothUplinks(number: number) {
  const { nodePort } = addressesOf(number);
  return [...waysTo(number), { address: SECOND_NODE_IP, port: nodePort }];
}
