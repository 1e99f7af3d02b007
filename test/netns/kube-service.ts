// SPDX-License-Identifier: Apache-2.0
// Services and their EndpointSlices for tests, from what a test wants to say. Pure.

import { familyOf } from '../../agent/model/address.ts';
import { address as parse } from '../helpers/objects.ts';
import type { KubeObject } from '../lab/kube-object.ts';

/** Where echo-backends listens. */
export const TARGET_PORT = 8080;

/** The backend at `address`, as it names itself. */
export function targetAt(address: string): string {
  return `${address}:${TARGET_PORT}`;
}

/** An endpoint, but for `address` in the words of Kubernetes. Ready unless `conditions` say otherwise. */
export interface EndpointSketch {
  readonly address: string;
  readonly conditions?: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
  readonly nodeName?: string;
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[];
    readonly forNodes?: readonly { readonly name: string }[];
  };
}

export interface PortSketch {
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  /** Of either family; an address stands for an endpoint that is ready. */
  readonly backends: readonly (string | EndpointSketch)[];
  /** Default {@link TARGET_PORT}. */
  readonly targetPort?: number;
  readonly nodePort?: number;
}

/** Whatever else a Service says, in the words of Kubernetes. */
export interface ServiceFields {
  readonly spec?: Readonly<Record<string, unknown>>;
  /** status.loadBalancer.ingress; a text is an `ip`. */
  readonly ingress?: readonly (string | Readonly<Record<string, string>>)[];
}

/** A Service, and an EndpointSlice for each of its ports and families. */
export function kubeService(
  name: string,
  clusterIPs: readonly string[],
  ports: readonly PortSketch[],
  { spec = {}, ingress = [] }: ServiceFields = {},
): KubeObject[] {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: clusterIPs.map((ip) => familyOf(parse(ip))),
      ipFamilyPolicy: clusterIPs.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ports: ports.map((port) => ({
        name: portName(port),
        protocol: port.protocol,
        port: port.port,
        ...(port.nodePort && { nodePort: port.nodePort }),
      })),
      ...spec,
    },
    status: {
      loadBalancer: {
        ingress: ingress.map((entry) => (typeof entry === 'string' ? { ip: entry } : entry)),
      },
    },
  };
  return [
    service,
    ...clusterIPs.flatMap((address) =>
      ports.map((port) => endpointSlice(name, familyOf(parse(address)), port)),
    ),
  ];
}

/** The same backends for TCP and UDP. */
export function bothProtocols(
  port: number,
  backends: PortSketch['backends'],
  more: Pick<PortSketch, 'nodePort' | 'targetPort'> = {},
): PortSketch[] {
  return (['TCP', 'UDP'] as const).map((protocol) => ({ protocol, port, backends, ...more }));
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
      .map((backend) => (typeof backend === 'string' ? { address: backend } : backend))
      .filter(({ address }) => familyOf(parse(address)) === family)
      .map(({ address, ...fields }) => ({
        addresses: [address],
        conditions: { ready: true },
        ...fields,
      })),
  };
}

function portName({ protocol, port }: PortSketch): string {
  return `${protocol.toLowerCase()}-${port}`;
}
