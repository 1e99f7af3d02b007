// SPDX-License-Identifier: Apache-2.0
// Who dials in the tests of what depends on who dials: the node itself, and pods of it.

import { SocketProbe } from './socket-probe.ts';
import type { TestNode } from './test-node.ts';
import { addPod, leaveToPods, type TestPod } from './test-pod.ts';

export interface Client {
  /** For messages: `node`, `pod 10.244.9.2`. */
  readonly name: string;
  readonly probe: SocketProbe;
}

export interface PodClient extends Client, TestPod {}

export interface Clients {
  readonly host: Client;
  /** The first one. */
  readonly pod: PodClient;
  readonly pods: readonly PodClient[];
  /** The node, and all pods. */
  readonly all: readonly Client[];
}

/** @param indexes of the pods to make, as {@link addPod} wants them. All ends with the node. */
export async function startClients(
  node: TestNode,
  ...indexes: readonly [number, ...number[]]
): Promise<Clients> {
  await leaveToPods(node);
  const [first, ...others] = indexes;
  const host = { name: 'node', probe: await SocketProbe.start(node) };
  const pod = await startPod(node, first);
  const pods = [pod];
  for (const index of others) pods.push(await startPod(node, index));
  return { host, pod, pods, all: [host, ...pods] };
}

async function startPod(node: TestNode, index: number): Promise<PodClient> {
  const pod = await addPod(node, index);
  return { name: `pod ${pod.ipv4}`, ...pod, probe: await SocketProbe.start(node, pod) };
}
