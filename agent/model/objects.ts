// SPDX-License-Identifier: Apache-2.0
// The Kubernetes objects that the agent reads, reduced to the fields that decide something
// (semantics of each field: docs/semantics.md). Immutable values; one copy of each is kept.

import type { IpAddress, IpFamily } from './address.ts';

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** namespace/name of an object: unique within its kind. */
export type ObjectKey = `${string}/${string}`;

export function objectKey(object: {
  readonly namespace: string;
  readonly name: string;
}): ObjectKey {
  return `${object.namespace}/${object.name}`;
}

/** A Service that asks for something to be programmed: never headless, never ExternalName. */
export interface ServiceSpec {
  readonly namespace: string;
  readonly name: string;
  /** metadata.creationTimestamp, RFC 3339; absent for manifests that were never created anywhere. */
  readonly creationTimestamp?: string;
  /** spec.clusterIPs (or spec.clusterIP alone), at most one of each family. */
  readonly clusterIPs: readonly IpAddress[];
  readonly ports: readonly ServicePortSpec[];
}

export interface ServicePortSpec {
  /** '' when the Service has a single, unnamed port. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface EndpointSliceSpec {
  readonly namespace: string;
  readonly name: string;
  /** Label kubernetes.io/service-name. The Service is in the same namespace. */
  readonly serviceName: string;
  readonly addressType: IpFamily;
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
  /** Absent conditions already hold their defaults: ready and serving true, terminating false. */
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}
