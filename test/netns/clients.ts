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

export interface PodClient extends Client {
  readonly pod: TestPod;
}

export interface Clients {
  readonly host: Client;
  readonly pods: readonly PodClient[];
  readonly all: readonly Client[];
}

/** @param indexes of the pods to make, as {@link addPod} wants them. All ends with the node. */
export async function startClients(node: TestNode, indexes: readonly number[]): Promise<Clients> {
  await leaveToPods(node);
  const host = { name: 'node', probe: await SocketProbe.start(node) };
  const pods: PodClient[] = [];
  for (const index of indexes) {
    const pod = await addPod(node, index);
    pods.push({ name: `pod ${pod.ipv4}`, pod, probe: await SocketProbe.start(node, pod) });
  }
  return { host, pods, all: [host, ...pods] };
}
