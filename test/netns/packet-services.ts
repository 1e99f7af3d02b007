// SPDX-License-Identifier: Apache-2.0
// Services for the tests of packets: a number gives one all of its addresses, so that what holds for every
// way to reach a Service is said once. Pure.

import type { KubeObject } from '../lab/kube-object.ts';
import { podAddresses } from '../lab/topology.ts';
import { endpointsInBothFamilies, inBothFamilies } from './dual-stack.ts';
import {
  bothProtocols,
  type EndpointSketch,
  kubeService,
  type ServiceFields,
} from './kube-service.ts';
import { NODE_NAME, OTHER_NAME } from './packet-network.ts';
import { NODE_IP, OTHER_IP, REMOTE_PODS } from './packet-plan.ts';

/** Of every Service. */
export const SERVICE_PORT = 80;

/** Addresses of the node: its uplink's, its pods' gateway. */
export const NODE_ADDRESSES: readonly string[] = [NODE_IP, podAddresses(1, 1).ipv4];

/** Where a Service is reached from outside, in the words of IPv4. */
export interface ServiceAddresses {
  readonly clusterIP: string;
  readonly nodePort: number;
  readonly loadBalancer: string;
  readonly external: string;
}

export interface Dialled {
  readonly address: string;
  readonly port: number;
}

/** @param number 1 to 99. */
export function addressesOf(number: number): ServiceAddresses {
  return {
    clusterIP: `10.96.0.${number}`,
    nodePort: 30_000 + number,
    loadBalancer: `203.0.113.${number}`,
    external: `203.0.113.${100 + number}`,
  };
}

/** Its nodePort on every address of the node. */
export function nodePortsOf(number: number): Dialled[] {
  return NODE_ADDRESSES.map((address) => ({ address, port: addressesOf(number).nodePort }));
}

/** All but the clusterIP: what externalTrafficPolicy is about. */
export function externalWaysTo(number: number): Dialled[] {
  const { loadBalancer, external } = addressesOf(number);
  const ips = [loadBalancer, external].map((address) => ({ address, port: SERVICE_PORT }));
  return [...ips, ...nodePortsOf(number)];
}

export function waysTo(number: number): Dialled[] {
  return [
    { address: addressesOf(number).clusterIP, port: SERVICE_PORT },
    ...externalWaysTo(number),
  ];
}

interface PacketServiceOptions extends Pick<ServiceFields, 'spec'> {
  /** Default: where echo-backends listen. */
  readonly targetPort?: number;
}

/** @param backends addresses of IPv4, or endpoints that have one. */
export function packetService(
  number: number,
  backends: readonly (string | EndpointSketch)[],
  { spec, targetPort }: PacketServiceOptions = {},
): KubeObject[] {
  const { clusterIP, nodePort, loadBalancer, external } = addressesOf(number);
  const endpoints = backends.map(endpointOf);
  const ports = bothProtocols(SERVICE_PORT, endpointsInBothFamilies(...endpoints), {
    nodePort,
    ...(targetPort && { targetPort }),
  });
  return kubeService(nameOf(number), inBothFamilies(clusterIP), ports, {
    spec: { type: 'LoadBalancer', externalIPs: inBothFamilies(external), ...spec },
    ingress: inBothFamilies(loadBalancer),
  });
}

export function nameOf(number: number): string {
  return `s${number}`;
}

/** On the node that the backend is on. */
function endpointOf(backend: string | EndpointSketch): EndpointSketch {
  const endpoint = typeof backend === 'string' ? { address: backend } : backend;
  const isRemote = [...REMOTE_PODS, OTHER_IP].includes(endpoint.address);
  return { nodeName: isRemote ? OTHER_NAME : NODE_NAME, ...endpoint };
}
