// SPDX-License-Identifier: Apache-2.0
// A path that takes less than either end knows. Routers say so by ICMP errors, which name the packets that
// they saw: translated ones. What arrives at the sender must be about the packets that it sent.

import test, { type ExecutionContext } from 'ava';
import { until } from '../lab/until.ts';
import { twinOf } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { type PacketNetwork, packetNetworkForFile } from './packet-network.ts';
import {
  CLIENT,
  LOCAL_PODS,
  NODE_IP,
  OTHER_CLIENT,
  type PacketNetworkOptions,
  REMOTE_PODS,
} from './packet-plan.ts';
import { comeTo, type Row, servedBy } from './packet-rows.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { SocketProbe } from './socket-probe.ts';

interface Path {
  readonly options: PacketNetworkOptions;
  readonly mtu: number;
  readonly backends: readonly [backend: string, number: number, seen: string][];
}

const [LOCAL = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;
/** Own to the flannel device. */
const OVERLAY_SOURCE = '10.244.1.0';

const PATHS: Readonly<Record<string, Path>> = {
  'a router between client and node': {
    options: { mtu: 1400 },
    mtu: 1400,
    backends: [
      [LOCAL, 1, CLIENT],
      [REMOTE, 2, NODE_IP],
    ],
  },
  'the node’s overlay device': {
    options: { overlay: true },
    mtu: 1450,
    backends: [[REMOTE, 2, OVERLAY_SOURCE]],
  },
};

const FULL_MTU = 1500;
/** Of IP and UDP. */
const HEADERS = { 4: 28, 6: 48 } as const;
/** Where a probe listens in a backend’s pod, and what is added to a number for the Service of it. */
const PROBE_PORT = 9000;
const PROBED = 10;
const PATIENCE_MS = 5_000;

type Family = keyof typeof HEADERS;

for (const [title, path] of Object.entries(PATHS)) {
  const network = packetNetworkForFile(test, path.options, async ({ node }) => {
    node.write(
      'services',
      path.backends.flatMap(([backend, number]) => [
        ...packetService(number, [backend]),
        ...packetService(number + PROBED, [backend], { targetPort: PROBE_PORT }),
      ]),
    );
    await node.agent.start();
  });

  // Each of these has addresses of its own: what a host knows of a path, all that dial an address know.
  test.serial(`${title}: a backend that forbids to cut its datagrams is told`, async (t) => {
    if (!canMakeNodes(t)) return;
    for (const family of [4, 6] as const) {
      for (const [backend, number] of path.backends) {
        const learning = { family, backend, number: number + PROBED, mtu: path.mtu };
        await backendLearns(t, network(), learning);
      }
    }
  });

  test.serial(`${title}: a client that forbids to cut its datagrams is told`, async (t) => {
    if (!canMakeNodes(t)) return;
    const probe = await SocketProbe.start(network().node, network().client);
    for (const family of [4, 6] as const) {
      for (const [, number] of path.backends) {
        const socket = await probe.open('udp', family);
        const { loadBalancer } = addressesOf(number);
        t.is(await socket.discoverMtu(), '');
        t.is(await socket.connect(inFamily(family, loadBalancer), SERVICE_PORT), '');
        await comesToEmsgsize(() => socket.sendBytes(FULL_MTU - HEADERS[family]));
        await succeeds(() => socket.sendBytes(path.mtu - HEADERS[family]));
        t.true((await socket.receive()).data.length > 0);
        await socket.close();
      }
    }
  });

  test.serial(`${title}: what may be cut arrives, and TCP sends less at a time`, async (t) => {
    if (!canMakeNodes(t)) return;
    const rows = path.backends.flatMap(([backend, number, seen]): Row[] => {
      const { clusterIP, external } = addressesOf(number);
      const each = { source: CLIENT, port: SERVICE_PORT, becomes: servedBy(backend, seen) };
      return [
        { ...each, address: clusterIP, kinds: ['tcp'], size: 5_000_000 },
        { ...each, address: external, kinds: ['udp-again'], size: 8_000 },
      ];
    });
    await comeTo(t, network(), rows);
  });
}

interface Learning {
  readonly family: Family;
  readonly backend: string;
  readonly number: number;
  readonly mtu: number;
}

async function backendLearns(
  t: ExecutionContext,
  network: PacketNetwork,
  { family, backend, number, mtu }: Learning,
): Promise<void> {
  const { node } = network;
  const outside = await SocketProbe.start(node, network.client);
  const inside = await SocketProbe.start(node, network.pod(backend));
  const server = await inside.open('udp', family);
  t.is(await server.discoverMtu(), '');
  t.is(await server.bind(inFamily(family, backend), PROBE_PORT), '');
  const client = await outside.open('udp', family);
  const { loadBalancer } = addressesOf(number);
  t.is(await client.bind(inFamily(family, OTHER_CLIENT), 0), '');
  t.is(await client.connect(inFamily(family, loadBalancer), SERVICE_PORT), '');
  t.is(await client.send('?'), '');
  const { from } = await server.receive();
  const [, address = '', port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(from) ?? [];
  const answer = (bytes: number) => server.sendBytesTo(bytes, address, Number(port));
  await comesToEmsgsize(() => answer(FULL_MTU - HEADERS[family]));
  await succeeds(() => answer(mtu - HEADERS[family]));
  t.true((await client.receive()).data.length > 0);
  inside.close();
  outside.close();
}

function inFamily(family: Family, ipv4: string): string {
  return family === 4 ? ipv4 : twinOf(ipv4);
}

/** What is too large gets lost until the error about it is back. */
async function comesToEmsgsize(send: () => Promise<string>): Promise<void> {
  await until('EMSGSIZE', async () => (await send()) === 'EMSGSIZE', PATIENCE_MS);
}

/** The error may stay with the socket for one call more. */
async function succeeds(send: () => Promise<string>): Promise<void> {
  await until(
    'a datagram that the path takes is sent',
    async () => (await send()) === '',
    PATIENCE_MS,
  );
}
