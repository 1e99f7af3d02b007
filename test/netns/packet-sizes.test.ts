// SPDX-License-Identifier: Apache-2.0
// Large packets and many of them: fragments, segments that the kernel has not cut yet (GSO), checksums that
// nobody has computed yet. Everything that is sent comes back and is compared.

import test from 'ava';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { BRIDGED_POD, CLIENT, LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { comeTo, keeping, type Row, servedBy } from './packet-rows.ts';
import { nodePortsOf, packetService, waysTo } from './packet-services.ts';

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;

const BACKENDS: readonly [backend: string, number: number, seen: string][] = [
  [LOCAL, 1, keeping(CLIENT)],
  [BRIDGED_POD, 2, keeping(CLIENT)],
  [NODE_IP, 3, keeping(CLIENT)],
  [REMOTE, 4, NODE_IP],
];

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write(
    'services',
    BACKENDS.flatMap(([backend, number]) => packetService(number, [backend])),
  );
  await node.agent.start();
});

test.serial('datagrams in fragments, both ways', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = BACKENDS.flatMap(([backend, number, seen]) =>
    [2_000, 8_000, 60_000].flatMap((size) =>
      waysTo(number).map(
        (way): Row => ({
          ...way,
          source: CLIENT,
          kinds: ['udp'],
          size,
          becomes: servedBy(backend, seen),
        }),
      ),
    ),
  );
  await comeTo(t, network(), rows);
});

for (const [kind, size] of [
  ['bulk', 20_000_000],
  ['datagrams', 8_000],
] as const) {
  test.serial(`${kind}: ${size.toLocaleString('en')} both ways, nothing lost`, async (t) => {
    if (!canMakeNodes(t)) return;
    for (const [backend, number, seen] of BACKENDS) {
      const [way] = nodePortsOf(number);
      const becomes = servedBy(backend, seen);
      if (way)
        await comeTo(t, network(), [{ ...way, source: CLIENT, kinds: [kind], size, becomes }]);
    }
  });
}
