// SPDX-License-Identifier: Apache-2.0
// Remote pods behind a vxlan device, as flannel has them: what is masqueraded gets that device's address.

import test from 'ava';
import { configureNamespace } from '../lab/netns.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, REMOTE_PODS } from './packet-plan.ts';
import { comeTo, keeping, REFUSED, servedBy } from './packet-rows.ts';
import { addressesOf, nodePortsOf, packetService, waysTo } from './packet-services.ts';

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;
const OVERLAY_SOURCE = '10.244.1.0';

const network = packetNetworkForFile(test, { overlay: true }, async ({ node }) => {
  node.write('services', [
    ...packetService(1, [LOCAL]),
    ...packetService(2, [REMOTE]),
    ...packetService(3, [OTHER_REMOTE]),
    ...packetService(4, []),
  ]);
  // As some distributions have it: what comes in by a device that its source is not routed to is dropped.
  await configureNamespace(node.namespace, {
    sysctls: { 'net.ipv4.conf.all.rp_filter': 1 },
    commands: [],
  });
  await node.agent.start();
});

test.serial('overlay: every address of a Service leads to its backend', async (t) => {
  if (!canMakeNodes(t)) return;
  const source = CLIENT;
  await comeTo(t, network(), [
    ...waysTo(1).map((way) => ({ ...way, source, becomes: servedBy(LOCAL, keeping(CLIENT)) })),
    ...waysTo(2).map((way) => ({ ...way, source, becomes: servedBy(REMOTE, OVERLAY_SOURCE) })),
    ...waysTo(3).map((way) => ({
      ...way,
      source,
      becomes: servedBy(OTHER_REMOTE, OVERLAY_SOURCE),
    })),
    ...waysTo(4).map((way) => ({ ...way, source, becomes: REFUSED })),
  ]);
});

test.serial(
  'overlay: a pod of the other node dials what its own node does not serve',
  async (t) => {
    if (!canMakeNodes(t)) return;
    // To the node IP it would come by another way than is routed to it, unless its own node masquerades it.
    const rows = nodePortsOf(1)
      .slice(1)
      .map((way) => ({
        ...way,
        source: REMOTE,
        becomes: servedBy(LOCAL, keeping(REMOTE)),
      }));
    await comeTo(t, network(), rows, network().pod(REMOTE));
  },
);

test.serial('overlay: large transfers, from ports that other connections have too', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = [2, 3].flatMap((number) =>
    nodePortsOf(number).flatMap((way) => {
      const becomes = servedBy(number === 2 ? REMOTE : OTHER_REMOTE, OVERLAY_SOURCE);
      const each = { ...way, source: CLIENT, sourcePort: 42_000 + number, becomes };
      return [
        { ...each, kinds: ['tcp'] as const, size: 5_000_000 },
        { ...each, kinds: ['udp-again'] as const, size: 8_000 },
        { ...each, kinds: ['datagrams'] as const, sourcePort: 43_000 + number, size: 1_600 },
      ];
    }),
  );
  await comeTo(t, network(), rows);
  const { clusterIP } = addressesOf(2);
  await comeTo(t, network(), [
    { address: clusterIP, port: 0, source: CLIENT, kinds: ['ping'], becomes: 'pong' },
  ]);
});
