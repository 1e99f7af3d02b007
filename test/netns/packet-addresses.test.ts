// SPDX-License-Identifier: Apache-2.0
// Clients outside of the node dial all kinds of addresses of Services; their backends are on the node and on
// another one (semantics 1.6, 1.7). UDP sockets are connected: what answers from another address than the
// dialled one is not heard.

import test from 'ava';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import {
  BRIDGED_POD,
  CLIENT,
  LOCAL_PODS,
  NODE_IP,
  OTHER_CLIENT,
  OTHER_IP,
  REMOTE_PODS,
} from './packet-plan.ts';
import { comeTo, keeping, REFUSED, type Row, SILENCE, servedBy } from './packet-rows.ts';
import {
  addressesOf,
  externalWaysTo,
  nodePortsOf,
  packetService,
  SERVICE_PORT,
  waysTo,
} from './packet-services.ts';

const [LOCAL = '', OTHER_LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;

/** Services by number, each with one backend. */
const BACKENDS_ON_NODE: readonly [number: number, backend: string][] = [
  [1, LOCAL],
  [2, BRIDGED_POD],
  [3, NODE_IP],
];
const BACKENDS_ELSEWHERE: readonly [number: number, backend: string][] = [
  [4, REMOTE],
  [5, OTHER_IP],
];
const EMPTY = 6;
/** externalTrafficPolicy Local, with endpoints on both nodes, and only on the other. */
const LOCAL_POLICY = 7;
const NONE_LOCAL = 8;
/** Two Services with the backend of another. */
const SAME_LOCAL = 9;
const SAME_REMOTE = 10;
/** For {@link CLIENT} alone. */
const RESTRICTED = 11;
const RESTRICTED_EMPTY = 12;

/** Nothing listens there. */
const CLOSED_LOCAL = 13;
const CLOSED_REMOTE = 14;

const POLICY_LOCAL = { spec: { externalTrafficPolicy: 'Local' } };
const RANGES = { spec: { loadBalancerSourceRanges: [`${CLIENT}/32`, 'fd00:198:51:100::2/128'] } };

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', [
    ...[...BACKENDS_ON_NODE, ...BACKENDS_ELSEWHERE].flatMap(([number, backend]) =>
      packetService(number, [backend]),
    ),
    ...packetService(EMPTY, []),
    ...packetService(LOCAL_POLICY, [LOCAL, REMOTE], POLICY_LOCAL),
    ...packetService(NONE_LOCAL, [REMOTE], POLICY_LOCAL),
    ...packetService(SAME_LOCAL, [LOCAL]),
    ...packetService(SAME_REMOTE, [REMOTE]),
    ...packetService(RESTRICTED, [LOCAL], RANGES),
    ...packetService(RESTRICTED_EMPTY, [], RANGES),
    ...packetService(CLOSED_LOCAL, [LOCAL], { targetPort: 9999 }),
    ...packetService(CLOSED_REMOTE, [REMOTE], { targetPort: 9999 }),
  ]);
  await node.agent.start();
});

test.serial('a backend of the node sees the client, at every address of a Service', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = [CLIENT, OTHER_CLIENT].flatMap((source) =>
    BACKENDS_ON_NODE.flatMap(([number, backend]) =>
      waysTo(number).map((way) => ({
        ...way,
        source,
        becomes: servedBy(backend, keeping(source)),
      })),
    ),
  );
  await comeTo(t, network(), rows);
});

test.serial('a backend elsewhere sees the node, at every address of a Service', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = [CLIENT, OTHER_CLIENT].flatMap((source) =>
    BACKENDS_ELSEWHERE.flatMap(([number, backend]) =>
      waysTo(number).map((way) => ({ ...way, source, becomes: servedBy(backend, NODE_IP) })),
    ),
  );
  await comeTo(t, network(), rows);
});

test.serial('a pod of another node is served at the node’s addresses', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows: Row[] = [
    ...nodePortsOf(1).map((way) => ({ ...way, becomes: servedBy(LOCAL, keeping(OTHER_REMOTE)) })),
    ...nodePortsOf(4).map((way) => ({ ...way, becomes: servedBy(REMOTE, NODE_IP) })),
    // A pod of the cluster is inside: its packets may go on to where endpoints are.
    ...nodePortsOf(NONE_LOCAL).map((way) => ({ ...way, becomes: servedBy(REMOTE, NODE_IP) })),
  ].map((row) => ({ ...row, source: OTHER_REMOTE }));
  await comeTo(t, network(), rows, network().pod(OTHER_REMOTE));
});

test.serial('a pod of another node reaches itself through the node', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = nodePortsOf(4).map((way) => ({
    ...way,
    source: REMOTE,
    becomes: servedBy(REMOTE, NODE_IP),
  }));
  await comeTo(t, network(), rows, network().pod(REMOTE));
});

test.serial('pods whose sockets are served lose nothing by it', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const source of [OTHER_LOCAL, BRIDGED_POD]) {
    const rows = [...BACKENDS_ON_NODE.slice(0, 1), ...BACKENDS_ELSEWHERE].flatMap(
      ([number, backend]) =>
        waysTo(number).map((way) => ({
          ...way,
          source,
          becomes: servedBy(backend, keeping(source)),
        })),
    );
    await comeTo(t, network(), rows, network().pod(source));
  }
});

test.serial('one client port for several Services with one backend', async (t) => {
  if (!canMakeNodes(t)) return;
  const rows = (numbers: readonly number[], becomes: string): Row[] =>
    numbers
      .flatMap((number) => waysTo(number))
      .map((way) => ({ ...way, source: CLIENT, sourcePort: 40_000, becomes }));
  await comeTo(t, network(), [
    ...rows([1, SAME_LOCAL], servedBy(LOCAL, CLIENT)),
    ...rows([4, SAME_REMOTE], servedBy(REMOTE, NODE_IP)),
  ]);
});

test.serial(
  'no endpoints, and ports that a clusterIP does not serve: refused at once',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const rows = [
      ...waysTo(EMPTY),
      { address: addressesOf(1).clusterIP, port: 81 },
      { address: addressesOf(4).clusterIP, port: 81 },
      // Of nobody: the node's own kernel refuses.
      { address: NODE_IP, port: 30_999 },
    ].map((way) => ({ ...way, source: CLIENT, becomes: REFUSED }));
    await comeTo(t, network(), rows);
  },
);

test.serial('what a backend’s kernel refuses is heard as from the Service', async (t) => {
  if (!canMakeNodes(t)) return;
  const ways = [...waysTo(CLOSED_LOCAL), ...waysTo(CLOSED_REMOTE)];
  await comeTo(
    t,
    network(),
    ways.map((way) => ({ ...way, source: CLIENT, becomes: REFUSED })),
  );
});

test.serial(
  'externalTrafficPolicy Local: the node’s own endpoint, and the client’s address',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const rows = Array.from({ length: 8 }, () => externalWaysTo(LOCAL_POLICY))
      .flat()
      .map((way) => ({ ...way, source: CLIENT, becomes: servedBy(LOCAL, keeping(CLIENT)) }));
    const { clusterIP } = addressesOf(NONE_LOCAL);
    await comeTo(t, network(), [
      ...rows,
      // Not what the policy is about.
      {
        address: clusterIP,
        port: SERVICE_PORT,
        source: CLIENT,
        becomes: servedBy(REMOTE, NODE_IP),
      },
    ]);
  },
);

test.serial('source ranges: of load-balancer addresses, for those who may', async (t) => {
  if (!canMakeNodes(t)) return;
  const { loadBalancer } = addressesOf(RESTRICTED);
  const others = waysTo(RESTRICTED).filter(({ address }) => address !== loadBalancer);
  const empty = { address: addressesOf(RESTRICTED_EMPTY).loadBalancer, port: SERVICE_PORT };
  await comeTo(t, network(), [
    ...waysTo(RESTRICTED).map((way) => ({
      ...way,
      source: CLIENT,
      becomes: servedBy(LOCAL, keeping(CLIENT)),
    })),
    ...others.map((way) => ({
      ...way,
      source: OTHER_CLIENT,
      becomes: servedBy(LOCAL, keeping(OTHER_CLIENT)),
    })),
    { ...empty, source: CLIENT, becomes: REFUSED },
  ]);
});

test.serial(
  'silence: no local endpoints, source ranges, addresses that no Service has',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const port = SERVICE_PORT;
    const rows = [...externalWaysTo(NONE_LOCAL), { address: '10.96.0.99', port }].map((way) => ({
      ...way,
      source: CLIENT,
    }));
    const blocked = [RESTRICTED, RESTRICTED_EMPTY].map((number) => ({
      address: addressesOf(number).loadBalancer,
      port,
      source: OTHER_CLIENT,
    }));
    await comeTo(
      t,
      network(),
      [...rows, ...blocked].map((row) => ({ ...row, becomes: SILENCE })),
    );
  },
);

test.serial('a ping of a service address is answered, a node’s by itself', async (t) => {
  if (!canMakeNodes(t)) return;
  const { clusterIP, loadBalancer, external } = addressesOf(1);
  const remote = addressesOf(4);
  const addresses = [clusterIP, loadBalancer, external, remote.clusterIP, remote.external, NODE_IP];
  const rows = [8, 1_400].flatMap((size) =>
    addresses.map((address) => ({
      address,
      port: 0,
      source: CLIENT,
      kinds: ['ping'] as const,
      size,
      becomes: 'pong',
    })),
  );
  await comeTo(t, network(), rows);
});

test.serial('pods and the node itself may ping clusterIPs', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const [source, place] of [
    [LOCAL, network().pod(LOCAL)],
    [BRIDGED_POD, network().pod(BRIDGED_POD)],
    [NODE_IP, network().node],
  ] as const) {
    const rows = [1, 4, EMPTY].map((number) => ({
      address: addressesOf(number).clusterIP,
      port: 0,
      source,
      kinds: ['ping'] as const,
      becomes: 'pong',
    }));
    await comeTo(t, network(), rows, place);
  }
});
