// SPDX-License-Identifier: Apache-2.0
// A Service's spec as the lab reads it, and what follows from it alone. Pure.

import type { KubeObject } from './kube-object.ts';

export interface ServicePort {
  readonly name?: string;
  readonly protocol: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
  readonly appProtocol?: string;
}

export interface ServiceSpecObject {
  readonly type: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ipFamilies?: readonly string[];
  readonly ipFamilyPolicy?: string;
  readonly externalName?: string;
  readonly externalIPs?: readonly string[];
  readonly publishNotReadyAddresses?: boolean;
  readonly sessionAffinity?: string;
  readonly internalTrafficPolicy?: string;
  readonly trafficDistribution?: string;
  readonly healthCheckNodePort?: number;
  readonly externalTrafficPolicy?: string;
  readonly allocateLoadBalancerNodePorts?: boolean;
  readonly loadBalancerSourceRanges?: readonly string[];
  readonly [field: string]: unknown;
}

export function serviceSpec(service: KubeObject): ServiceSpecObject {
  return (service.spec ?? {}) as ServiceSpecObject;
}

export function isHeadless(spec: ServiceSpecObject): boolean {
  return (spec.clusterIP ?? spec.clusterIPs?.[0]) === 'None';
}

/** An ExternalName Service is a name; all others have addresses, or are headless. */
export function hasAddresses(spec: ServiceSpecObject): boolean {
  return spec.type !== 'ExternalName';
}

/** NodePort and LoadBalancer Services may have node ports. */
export function hasNodePorts(spec: ServiceSpecObject): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** Whether a port without a node port is given one. */
export function allocatesNodePorts(spec: ServiceSpecObject): boolean {
  return hasNodePorts(spec) && spec.allocateLoadBalancerNodePorts !== false;
}

/** Health-check node ports exist for load balancers that keep to local endpoints. */
export function hasHealthCheckNodePort(spec: ServiceSpecObject): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

/** Only these have an external traffic policy. */
export function isExternallyAccessible(spec: ServiceSpecObject): boolean {
  return hasNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
}
