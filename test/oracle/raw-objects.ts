// SPDX-License-Identifier: Apache-2.0
// Kubernetes objects as an API server writes them in JSON, with the fields that kube-proxy reads, and the node
// that decides. What the oracle is given; its types are its own, so that it shares none with the agent.

type Maybe<T> = T | null | undefined;

export type Family = 'IPv4' | 'IPv6';
export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export type Policy = 'Cluster' | 'Local';

export interface RawMetadata {
  readonly name: string;
  /** Absent in manifests that leave it to the default. */
  readonly namespace?: Maybe<string>;
  readonly labels?: Maybe<Readonly<Record<string, string>>>;
  readonly creationTimestamp?: Maybe<string>;
}

export interface RawServicePort {
  readonly name?: Maybe<string>;
  readonly protocol?: Maybe<string>;
  readonly port: number;
  readonly targetPort?: Maybe<number | string>;
  readonly nodePort?: Maybe<number>;
}

export interface RawService {
  readonly metadata: RawMetadata;
  readonly spec: {
    readonly type?: Maybe<string>;
    readonly clusterIP?: Maybe<string>;
    readonly clusterIPs?: Maybe<readonly string[]>;
    readonly ipFamilies?: Maybe<readonly string[]>;
    readonly ports?: Maybe<readonly RawServicePort[]>;
    readonly externalIPs?: Maybe<readonly string[]>;
    readonly loadBalancerSourceRanges?: Maybe<readonly string[]>;
    readonly externalTrafficPolicy?: Maybe<string>;
    readonly internalTrafficPolicy?: Maybe<string>;
    readonly sessionAffinity?: Maybe<string>;
    readonly sessionAffinityConfig?: Maybe<{
      readonly clientIP?: Maybe<{ readonly timeoutSeconds?: Maybe<number> }>;
    }>;
  };
  readonly status?: Maybe<{
    readonly loadBalancer?: Maybe<{
      readonly ingress?: Maybe<readonly RawIngress[]>;
    }>;
  }>;
}

export interface RawIngress {
  readonly ip?: Maybe<string>;
  readonly hostname?: Maybe<string>;
  readonly ipMode?: Maybe<string>;
}

interface RawHint {
  readonly name: string;
}

export interface RawEndpoint {
  readonly addresses?: Maybe<readonly string[]>;
  readonly nodeName?: Maybe<string>;
  readonly conditions?: Maybe<{
    readonly ready?: Maybe<boolean>;
    readonly serving?: Maybe<boolean>;
    readonly terminating?: Maybe<boolean>;
  }>;
  readonly hints?: Maybe<{
    readonly forZones?: Maybe<readonly RawHint[]>;
    readonly forNodes?: Maybe<readonly RawHint[]>;
  }>;
}

export interface RawEndpointPort {
  readonly name?: Maybe<string>;
  readonly protocol?: Maybe<string>;
  readonly port?: Maybe<number>;
}

export interface RawEndpointSlice {
  readonly metadata: RawMetadata;
  readonly addressType: string;
  readonly ports?: Maybe<readonly RawEndpointPort[]>;
  readonly endpoints?: Maybe<readonly RawEndpoint[]>;
}

export interface RawNode {
  readonly metadata: RawMetadata;
}

export interface RawServiceCidr {
  readonly metadata: RawMetadata;
  readonly spec: { readonly cidrs?: Maybe<readonly string[]> };
}

/** Every object once: no two of a kind have the same namespace and name. */
export interface RawCluster {
  readonly services: readonly RawService[];
  readonly endpointSlices: readonly RawEndpointSlice[];
  readonly nodes: readonly RawNode[];
  readonly serviceCIDRs: readonly RawServiceCidr[];
}

/** The node whose kube-proxy decides, and that kube-proxy's options. Its addresses are in their canonical text. */
export interface NodeDescription {
  readonly nodeName: string;
  /** The first of a family counts. */
  readonly nodeIPs: readonly string[];
  /** The addresses of its interfaces, without loopback. */
  readonly localAddresses: readonly string[];
  /** Of the local detector ClusterCIDR. None of a family: no detector there. */
  readonly clusterCIDRs: readonly string[];
  /** Absent: what the ServiceCIDR objects say. */
  readonly serviceCIDRs?: readonly string[];
  /** Absent: all addresses of the node. */
  readonly nodePortAddresses?: readonly ['primary'] | readonly string[];
  readonly masqueradeAll: boolean;
}
