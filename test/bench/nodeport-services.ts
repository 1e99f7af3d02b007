// SPDX-License-Identifier: Apache-2.0
// The Services of `bench nodeport`: one for each place that a backend can be in, of both families, with a
// nodePort for each kind of server. Pure.

import type { KubeObject } from '../lab/kube-object.ts';
import { kubeService, type PortSketch } from '../netns/kube-service.ts';
import { type BackendPlace, backendAddress } from './nodeport-topology.ts';

/** What traffic-server.c is in a pod. */
export const SERVERS = ['echo', 'sink', 'datagrams'] as const;
export type Server = (typeof SERVERS)[number];

export const NODE_NAME = 'node-1';
const NODE_NAMES: Readonly<Record<BackendPlace, string>> = { local: NODE_NAME, remote: 'node-2' };

const PROTOCOLS = { echo: 'TCP', sink: 'TCP', datagrams: 'UDP' } as const;
const TARGET_PORTS: Readonly<Record<Server, number>> = { echo: 8080, sink: 8081, datagrams: 8082 };
const FIRST_NODE_PORTS: Readonly<Record<BackendPlace, number>> = { local: 30080, remote: 30090 };
const CLUSTER_IPS: Readonly<Record<BackendPlace, readonly string[]>> = {
  local: ['10.96.0.1', 'fd00:10:96::1'],
  remote: ['10.96.0.2', 'fd00:10:96::2'],
};

export function targetPort(server: Server): number {
  return TARGET_PORTS[server];
}

export function nodePort(place: BackendPlace, server: Server): number {
  return FIRST_NODE_PORTS[place] + SERVERS.indexOf(server);
}

/** A Service and its EndpointSlices. */
export function nodePortService(place: BackendPlace): KubeObject[] {
  const { ipv4, ipv6 } = backendAddress(place, 'served');
  const backends = [ipv4, ipv6].map((address) => ({ address, nodeName: NODE_NAMES[place] }));
  const ports = SERVERS.map(
    (server): PortSketch => ({
      protocol: PROTOCOLS[server],
      port: targetPort(server),
      targetPort: targetPort(server),
      nodePort: nodePort(place, server),
      backends: backends.map(({ address, nodeName }) => ({ address, nodeName })),
    }),
  );
  return kubeService(`${place}-backend`, CLUSTER_IPS[place], ports, { spec: { type: 'NodePort' } });
}
