// SPDX-License-Identifier: Apache-2.0
// A pod of a TestNode: a network namespace that is connected to the node's, with one address of each family,
// and a cgroup below the node's, so that the node's agent serves it. It ends with its node.

import { createCgroup } from '../lab/cgroup-tree.ts';
import { addNamespaces, configureNamespace } from '../lab/netns.ts';
import type { Place } from '../lab/spawn-inside.ts';
import { podAddresses, podCidrs, podCommands, podUplinkCommands } from '../lab/topology.ts';
import type { TestNode } from './test-node.ts';

/** Which node's pods these are, in the lab's number plan: they are in 10.244.9.0/24. */
const NODE = 9;

/** Where pods have their addresses. Backends must not be there. */
const POD_CIDRS = podCidrs(NODE);

/** What every pod has as its next hop; addresses of the node. */
export const POD_GATEWAY = podAddresses(NODE, 1);

export interface TestPod extends Place {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** @param index 2 to 9; the pod's address is 10.244.9.`index`. */
export async function addPod(node: TestNode, index: number): Promise<TestPod> {
  const namespace = `${node.namespace}-pod${index}`;
  const cgroup = `${node.cgroup}/pod${index}`;
  createCgroup(cgroup);
  await addNamespaces([namespace]);
  await node.configure(...podUplinkCommands(NODE, index, namespace));
  await configureNamespace(namespace, { commands: podCommands(NODE, index) });
  return { namespace, cgroup, ...podAddresses(NODE, index) };
}

/** Before the first pod: the node's network, in which all backends are local, leaves these to them. */
export function leaveToPods(node: TestNode): Promise<void> {
  return node.configure(
    ...Object.values(POD_CIDRS).map((cidr) => `route add throw ${cidr} table local`),
  );
}
