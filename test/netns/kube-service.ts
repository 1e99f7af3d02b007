// SPDX-License-Identifier: Apache-2.0
// Services and their EndpointSlices for tests, from what a test wants to say. Pure.

import type { KubeObject } from '../lab/kube-object.ts';

/** Where echo-backends listens. */
export const TARGET_PORT = 8080;

/** The backend at `address`, as it names itself. */
export function targetAt(address: string): string {
  return `${address}:${TARGET_PORT}`;
}

export interface PortSketch {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  /** Addresses of either family. */
  readonly backends: readonly string[];
  /** Default {@link TARGET_PORT}. */
  readonly targetPort?: number;
}

/** A Service, and an EndpointSlice for each of its ports and families. */
export function kubeService(
  name: string,
  clusterIPs: readonly string[],
  ports: readonly PortSketch[],
): KubeObject[] {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: clusterIPs.map(familyOf),
      ipFamilyPolicy: clusterIPs.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ports: ports.map((port) => ({
        name: portName(port),
        protocol: port.protocol,
        port: port.port,
      })),
    },
  };
  return [
    service,
    ...clusterIPs.flatMap((address) =>
      ports.map((port) => endpointSlice(name, familyOf(address), port)),
    ),
  ];
}

/** The same backends for TCP and UDP. */
export function bothProtocols(port: number, backends: readonly string[]): PortSketch[] {
  return (['TCP', 'UDP'] as const).map((protocol) => ({ protocol, port, backends }));
}

export function endpointSlice(
  service: string,
  family: 'IPv4' | 'IPv6',
  port: PortSketch,
): KubeObject {
  const { protocol, backends, targetPort = TARGET_PORT } = port;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-${portName(port)}-${family.toLowerCase()}`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: family,
    ports: [{ name: portName(port), protocol, port: targetPort }],
    endpoints: backends
      .filter((address) => familyOf(address) === family)
      .map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
}

function portName({ protocol, port }: PortSketch): string {
  return `${protocol.toLowerCase()}-${port}`;
}

function familyOf(address: string): 'IPv4' | 'IPv6' {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}
