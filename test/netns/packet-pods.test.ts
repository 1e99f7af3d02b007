// SPDX-License-Identifier: Apache-2.0
// --pod-devices: pods of the node whose packets meet no socket of this kernel before, as those of virtual
// machines (semantics 1.20, 11). Here their sockets are not served: they are in a cgroup that is not.

import test from 'ava';
import type { Place } from '../lab/spawn-inside.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { BRIDGED_POD, LOCAL_PODS, NODE_IP, OTHER_IP, REMOTE_PODS } from './packet-plan.ts';
import { comeTo, keeping, REFUSED, type Row, SILENCE, servedBy } from './packet-rows.ts';
import {
  addressesOf,
  externalWaysTo,
  NODE_ADDRESSES,
  packetService,
  SERVICE_PORT,
  waysTo,
} from './packet-services.ts';

const [LOCAL = '', GUEST = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;

const BACKENDS: readonly [number: number, backend: string][] = [
  [1, LOCAL],
  [2, REMOTE],
  [3, OTHER_IP],
  [4, NODE_IP],
];
/** Each the only backend of a Service. */
const GUEST_ITSELF = 5;
const BRIDGED_ITSELF = 6;
const EMPTY = 7;
/** externalTrafficPolicy Local, and nothing local; internalTrafficPolicy Local. */
const NONE_LOCAL = 8;
const INSIDE_LOCAL = 9;

/** Addresses that the node has on the devices of its pods. */
const GATEWAY = `${NODE_ADDRESSES[1]}`;
const BRIDGE_GATEWAY = '10.244.3.1';

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', [
    ...BACKENDS.flatMap(([number, backend]) => packetService(number, [backend])),
    ...packetService(GUEST_ITSELF, [GUEST]),
    ...packetService(BRIDGED_ITSELF, [BRIDGED_POD]),
    ...packetService(EMPTY, []),
    ...packetService(NONE_LOCAL, [REMOTE], { spec: { externalTrafficPolicy: 'Local' } }),
    ...packetService(INSIDE_LOCAL, [REMOTE], { spec: { internalTrafficPolicy: 'Local' } }),
  ]);
  node.agent.flags = [...node.agent.flags, '--pod-devices', 'pod*,bridged'];
  await node.agent.start();
});

/** The pod, with a socket that knows nothing of Services. */
function guest(ipv4: string): Place {
  return { ...network().pod(ipv4), cgroup: network().node.unservedCgroup };
}

for (const [source, itself, gateway] of [
  [GUEST, GUEST_ITSELF, GATEWAY],
  [BRIDGED_POD, BRIDGED_ITSELF, BRIDGE_GATEWAY],
] as const) {
  test.serial(`a guest at ${source} is led to backends, which see it`, async (t) => {
    if (!canMakeNodes(t)) return;
    const rows = BACKENDS.flatMap(([number, backend]) =>
      waysTo(number).map((way) => ({
        ...way,
        source,
        becomes: servedBy(backend, keeping(source)),
      })),
    );
    await comeTo(t, network(), rows, guest(source));
  });

  test.serial(`a guest at ${source} reaches itself through its Service`, async (t) => {
    if (!canMakeNodes(t)) return;
    const rows = waysTo(itself).map((way) => ({
      ...way,
      source,
      becomes: servedBy(source, gateway),
    }));
    await comeTo(t, network(), rows, guest(source));
  });

  test.serial(`a guest at ${source} is refused, dropped and led elsewhere as a pod`, async (t) => {
    if (!canMakeNodes(t)) return;
    const refused: Row[] = [...waysTo(EMPTY), { address: addressesOf(1).clusterIP, port: 81 }].map(
      (way) => ({ ...way, source, becomes: REFUSED }),
    );
    const elsewhere: Row[] = externalWaysTo(NONE_LOCAL).map((way) => ({
      ...way,
      source,
      becomes: servedBy(REMOTE, keeping(source)),
    }));
    await comeTo(t, network(), [...refused, ...elsewhere], guest(source));
    const silent: Row[] = [
      { address: addressesOf(INSIDE_LOCAL).clusterIP, port: SERVICE_PORT },
      { address: '10.96.0.99', port: SERVICE_PORT },
    ].map((way) => ({ ...way, source, becomes: SILENCE }));
    await comeTo(t, network(), silent, guest(source));
  });

  test.serial(`a guest at ${source}: large transfers, pings, what is no Service`, async (t) => {
    if (!canMakeNodes(t)) return;
    const large = BACKENDS.flatMap(([number, backend]): Row[] => {
      const { clusterIP } = addressesOf(number);
      const each = { address: clusterIP, port: SERVICE_PORT, source };
      const becomes = servedBy(backend, keeping(source));
      return [
        { ...each, kinds: ['tcp'], size: 1_000_000, becomes },
        { ...each, kinds: ['udp'], size: 8_000, becomes },
        { ...each, port: 0, kinds: ['ping'], becomes: 'pong' },
      ];
    });
    const direct = [LOCAL, REMOTE, NODE_IP, OTHER_IP].map((address) => ({
      address,
      port: 8080,
      source,
      becomes: servedBy(address, keeping(source)),
    }));
    await comeTo(t, network(), [...large, ...direct], guest(source));
  });
}
