// SPDX-License-Identifier: Apache-2.0
// The client outside of all nodes and the pod behind them, for stations.ts. Both are in cgroups that no proxy serves:
// what is measured from there is the packet path alone. Everything carries the lab's id, by which it goes with the lab.

import { createCgroup } from '../lab/cgroup-tree.ts';
import type { Lab } from '../lab/lab.ts';
import { addNamespaces, configureNamespace } from '../lab/netns.ts';
import type { Place } from '../lab/spawn-inside.ts';
import { NODE_SYSCTLS } from '../lab/topology.ts';
import { BACKEND_PLACES, nodePort, nodePortService, targetPort } from './outside-services.ts';
import {
  OTHER_NODE,
  type OutsideNamespaces,
  otherCommands,
  outsideCommands,
  remoteAddresses,
  remoteCommands,
  stationCommands,
} from './outside-topology.ts';
import type { OutsideTargets, Station } from './station.ts';

export interface Outside {
  readonly client: Place & OutsideTargets;
  readonly remotePod: Place;
}

/** @param cgroup in which theirs are made. */
export async function connectOutside(
  lab: Lab,
  stations: readonly Station[],
  cgroup: string,
): Promise<Outside> {
  const namespaces: OutsideNamespaces = {
    outside: `${lab.id}-outside`,
    other: `${lab.id}-other`,
    remote: `${lab.id}-remote`,
  };
  const client = { namespace: namespaces.outside, cgroup: `${cgroup}/outside` };
  const remotePod = { namespace: namespaces.remote, cgroup: `${cgroup}/remote` };
  for (const place of [client, remotePod]) createCgroup(place.cgroup);
  await addNamespaces(Object.values(namespaces));
  await connect(stations, namespaces);
  storeServices(lab, stations);
  return { client: { ...client, ...TARGETS }, remotePod };
}

const TARGETS: OutsideTargets = {
  nodePort: ({ node, proxy }, place, family, server) => {
    if (!proxy) throw new Error(`nobody serves nodePorts on ${node.name}`);
    return { address: node.addresses[family], port: nodePort(node.index, place, server) };
  },
  backend: ({ node, server: pod }, place, family, server) => {
    const addresses = place === 'local' ? pod.addresses : remoteAddresses(node.index);
    return { address: addresses[family], port: targetPort(server) };
  },
};

async function connect(stations: readonly Station[], namespaces: OutsideNamespaces): Promise<void> {
  const neighbours = stations.map(({ node: { index, namespace }, server }) => ({
    index,
    namespace,
    server: server.addresses,
  }));
  const indexes = neighbours.map(({ index }) => index);
  await configureNamespace(namespaces.outside, { commands: outsideCommands(neighbours) });
  for (const { index, namespace } of neighbours) {
    await configureNamespace(namespace, { commands: stationCommands(index, namespaces) });
  }
  await configureNamespace(namespaces.other, {
    sysctls: NODE_SYSCTLS,
    commands: otherCommands(indexes, namespaces),
  });
  await configureNamespace(namespaces.remote, { commands: remoteCommands(indexes) });
}

function storeServices(lab: Lab, stations: readonly Station[]): void {
  for (const { node, server, proxy } of stations) {
    if (!proxy) continue;
    const backends = {
      local: { ...server.addresses, nodeName: node.name },
      remote: { ...remoteAddresses(node.index), nodeName: OTHER_NODE },
    };
    for (const place of BACKEND_PLACES) {
      for (const object of nodePortService(node.index, place, backends[place])) {
        lab.store.create(object);
      }
    }
  }
}
