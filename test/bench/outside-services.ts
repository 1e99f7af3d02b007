// SPDX-License-Identifier: Apache-2.0
// The Services that are dialled from outside: for each node one with a backend on it and one with a backend on another
// node, of both families, with a nodePort for each kind of server. Pure.

import type { KubeObject } from '../lab/kube-object.ts';
import type { AddressPair } from '../lab/topology.ts';
import { kubeService, type PortSketch } from '../netns/kube-service.ts';
import type { OutsideServer } from './station.ts';

/** What is to listen in the server pods and in the remote pod. */
export const OUTSIDE_SERVERS: readonly OutsideServer[] = ['echo', 'sink', 'datagrams'];

/** Where the backend is, as the node that is dialled sees it. */
export const BACKEND_PLACES = ['local', 'remote'] as const;
export type BackendPlace = (typeof BACKEND_PLACES)[number];

const PROTOCOLS = { echo: 'TCP', sink: 'TCP', datagrams: 'UDP' } as const;
const PORTS: Readonly<Record<OutsideServer, number>> = { echo: 8080, sink: 8081, datagrams: 8082 };

/** Below what the API server gives to those who do not ask: 256 for addresses, 86 for nodePorts. */
const FIRST_HOST = 128;
const FIRST_NODE_PORT = 30_000;
const NODE_PORTS_OF_NODE = 8;

/** Where a server listens in its pod. */
export function targetPort(server: OutsideServer): number {
  return PORTS[server];
}

/** @param index of the node, from 1 to 9. */
export function nodePort(index: number, place: BackendPlace, server: OutsideServer): number {
  const first = FIRST_NODE_PORT + index * NODE_PORTS_OF_NODE;
  const ofPlace = BACKEND_PLACES.indexOf(place) * OUTSIDE_SERVERS.length;
  return first + ofPlace + OUTSIDE_SERVERS.indexOf(server);
}

/**
 * A Service and its EndpointSlices.
 *
 * @param index of the node whose nodePorts it has.
 * @param backend its addresses, and the node that it is on.
 */
export function nodePortService(
  index: number,
  place: BackendPlace,
  { ipv4, ipv6, nodeName }: AddressPair & { readonly nodeName: string },
): KubeObject[] {
  const host = FIRST_HOST + 2 * index + BACKEND_PLACES.indexOf(place);
  const clusterIPs = [`10.96.0.${host}`, `fd00:10:96::${host.toString(16)}`];
  const ports = OUTSIDE_SERVERS.map(
    (server): PortSketch => ({
      protocol: PROTOCOLS[server],
      port: targetPort(server),
      targetPort: targetPort(server),
      nodePort: nodePort(index, place, server),
      backends: [ipv4, ipv6].map((address) => ({ address, nodeName })),
    }),
  );
  return kubeService(`node-${index}-${place}`, clusterIPs, ports, { spec: { type: 'NodePort' } });
}
