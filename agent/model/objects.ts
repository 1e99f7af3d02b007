// SPDX-License-Identifier: Apache-2.0
// The Kubernetes objects that the agent reads, reduced to the fields that decide something
// (semantics of each field: docs/semantics.md). Immutable values; one copy of each is kept.

import type { IpAddress, IpFamily, IpPrefix } from './address.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** namespace/name of an object: unique within its kind. */
export type ObjectKey = `${string}/${string}`;

export function objectKey(object: {
  readonly namespace: string;
  readonly name: string;
}): ObjectKey {
  // As one text: a template's result is kept as a tree of its parts.
  return [object.namespace, object.name].join('/') as ObjectKey;
}

export type TrafficPolicy = 'Cluster' | 'Local';

/** How one of several backends is picked: by chance, or by the hash of a connection, the same on every node. */
export type Balancing = 'random' | 'maglev';

/**
 * A Service that asks for something to be programmed: never headless, never ExternalName. It exists in the
 * families of its clusterIPs alone: its other addresses of another family count for nothing.
 */
export interface ServiceSpec {
  readonly namespace: string;
  readonly name: string;
  /** metadata.creationTimestamp, RFC 3339; absent for manifests that were never created anywhere. */
  readonly creationTimestamp?: string;
  /** spec.clusterIPs (or spec.clusterIP alone), at most one of each family. */
  readonly clusterIPs: readonly IpAddress[];
  /** spec.externalIPs, those that are addresses. */
  readonly externalIPs: readonly IpAddress[];
  /** status.loadBalancer.ingress[].ip of those that the nodes are to serve: ipMode VIP, or none given. */
  readonly loadBalancerIPs: readonly IpAddress[];
  /**
   * spec.loadBalancerSourceRanges, those that are prefixes. A family of which none is here, or of which a
   * /0 is among them, is not restricted.
   */
  readonly loadBalancerSourceRanges: readonly IpPrefix[];
  readonly internalTrafficPolicy: TrafficPolicy;
  /** Local only where it is honoured (semantics 1.3). */
  readonly externalTrafficPolicy: TrafficPolicy;
  /**
   * spec.healthCheckNodePort, where a load balancer asks whether this node has endpoints. Only of type LoadBalancer
   * with externalTrafficPolicy Local (semantics 1.11).
   */
  readonly healthCheckNodePort?: number;
  /** spec.sessionAffinityConfig.clientIP.timeoutSeconds of ClientIP affinity; 0 without affinity. */
  readonly affinityTimeoutSeconds: number;
  /** Annotation signalbox/balancing. */
  readonly balancing: Balancing;
  readonly ports: readonly ServicePortSpec[];
}

export interface ServicePortSpec {
  /** '' when the Service has a single, unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0 when there is none. */
  readonly nodePort: number;
}

export interface EndpointSliceSpec {
  readonly namespace: string;
  readonly name: string;
  /** Label kubernetes.io/service-name. The Service is in the same namespace. */
  readonly serviceName: string;
  readonly addressType: IpFamily;
  /** Annotation signalbox/weight, 0 to 100, of each of its endpoints; absent: 1. */
  readonly weight?: number;
  readonly ports: readonly EndpointPortSpec[];
  readonly endpoints: readonly EndpointSpec[];
}

export interface EndpointPortSpec {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface EndpointSpec {
  /** addresses[0]: the only one that counts (KEP-0752). */
  readonly address: IpAddress;
  readonly nodeName?: string;
  /** Where the endpoint is; nothing is decided by it, hints decide. */
  readonly zone?: string;
  /** Absent conditions already hold their defaults: ready and serving true, terminating false. */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** hints.forZones, names; never empty. */
  readonly zoneHints?: readonly string[];
  /** hints.forNodes, names; never empty. */
  readonly nodeHints?: readonly string[];
}

/** The Node object of this node. */
export interface NodeSpec {
  readonly name: string;
  /** Label topology.kubernetes.io/zone. */
  readonly zone?: string;
  /** status.addresses of type InternalIP, then of type ExternalIP, in their order. */
  readonly addresses: readonly IpAddress[];
  /** spec.podCIDRs */
  readonly podCIDRs: readonly IpPrefix[];
  /** It has a deletionTimestamp, or the cluster autoscaler's taint: load balancers are to drain it (semantics 1.12). */
  readonly isBeingDeleted?: true;
}

/** A ServiceCIDR object (networking.k8s.io/v1). */
export interface ServiceCidrSpec {
  readonly name: string;
  readonly cidrs: readonly IpPrefix[];
}
