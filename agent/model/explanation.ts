// SPDX-License-Identifier: Apache-2.0
// What `explain` is asked and what it finds: decisions and their reasons as data, without a sentence. Made by
// explain.ts; agent/commands puts it into words.

import { familyOf, type IpAddress, type IpFamily, type IpPrefix } from './address.ts';
import type { SkippedObject } from './cluster-state.ts';
import type { Candidate, EndpointList, Excluded, TopologyMode } from './endpoint-selection.ts';
import type { Origin } from './node-facts.ts';
import type { Balancing, EndpointPortSpec, ObjectKey, Protocol, TrafficPolicy } from './objects.ts';
import type { DialledKind, ServicePort } from './service-port.ts';

export interface Query {
  /** `host`: this node itself, by its node IP. `external`: a client of which nothing is known. */
  readonly from: 'host' | 'external' | IpAddress;
  readonly to: Destination;
}

/** Whether the client has an address that is known. */
export function isAddress(from: Query['from']): from is IpAddress {
  return from !== 'host' && from !== 'external';
}

/** Whether there can be such a connection: families are worlds of their own (semantics 1.2). */
export function isOfOneFamily({ from, to }: Query): boolean {
  return !isAddress(from) || familyOf(from) === familyOf(to.address);
}

export interface Destination {
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: number;
}

/** `pass`: not ours, the connection goes where it would go without Signalbox. */
export type Verdict = 'forward' | 'reject' | 'drop' | 'pass';

/** What decided. Each leads to one verdict. */
export type Cause =
  | 'served'
  /** An address of one family cannot dial one of the other. */
  | 'families-differ'
  /** Of the service port there is no endpoint that could serve, on any node. */
  | 'no-endpoints'
  /** The policy is Local, and endpoints are on other nodes alone. */
  | 'no-local-endpoints'
  | 'source-not-allowed'
  /** A clusterIP, but neither this port nor protocol of it. */
  | 'closed-port'
  /** In a ServiceCIDR, and nothing of it is served. */
  | 'unallocated'
  /** The clusterIP of a Service that is left to another proxy. */
  | 'other-proxy'
  /** Loopback as somebody else than the node sees it. */
  | 'foreign-loopback'
  /** A Service's external or load-balancer address, but no port of it. */
  | 'unserved-port'
  /** A nodePort, on an address of the node that serves none. */
  | 'node-port-not-here'
  /** A nodePort, on an address that is not this node's. */
  | 'node-port-elsewhere'
  | 'local-address'
  /** An endpoint, dialled without its Service. */
  | 'endpoint-address'
  | 'unknown-address';

export const VERDICTS: Readonly<Record<Cause, Verdict>> = {
  served: 'forward',
  'families-differ': 'pass',
  'no-endpoints': 'reject',
  'no-local-endpoints': 'drop',
  'source-not-allowed': 'drop',
  'closed-port': 'reject',
  unallocated: 'drop',
  'other-proxy': 'pass',
  'foreign-loopback': 'pass',
  'unserved-port': 'pass',
  'node-port-not-here': 'pass',
  'node-port-elsewhere': 'pass',
  'local-address': 'pass',
  'endpoint-address': 'pass',
  'unknown-address': 'pass',
};

/** Why the backend sees an address of the node in place of the client's (semantics 1.7). */
export type Masquerade =
  /** The client is the only backend itself. */
  | 'hairpin'
  | 'masquerade-all'
  /** Traffic to a clusterIP from anything but a pod. */
  | 'not-a-pod'
  /** An external address under policy Cluster. */
  | 'external-traffic'
  /** An external address under policy Local, dialled by the node itself. */
  | 'from-this-node';

/** What was dialled, when a Service serves it. */
export interface DialledFrontend extends Destination {
  readonly kind: DialledKind;
}

/** What a person should know besides: near misses, and what may surprise. */
export type Note =
  /** Other Services ask for the same frontend and do not get it. */
  | { readonly code: 'also-claimed'; readonly by: readonly ObjectKey[] }
  /** What the address does serve. */
  | { readonly code: 'other-ports'; readonly frontends: readonly OtherFrontend[] }
  /** What is dialled is the nodePort of the Service, which is for the addresses of nodes. */
  | { readonly code: 'dialled-node-port'; readonly frontend: OtherFrontend }
  /** What is dialled is the port of endpoints of the Service, which has another number itself. */
  | { readonly code: 'dialled-endpoint-port'; readonly frontend: OtherFrontend }
  /** Who may use the frontend. */
  | { readonly code: 'source-ranges'; readonly ranges: readonly IpPrefix[] }
  | { readonly code: 'no-slices' }
  /** Slices are there, but none of the family. */
  | { readonly code: 'no-slices-of-family'; readonly family: IpFamily }
  /** Slices are there, but their ports have other names or protocols. */
  | { readonly code: 'port-names-differ'; readonly found: readonly EndpointPortSpec[] }
  /** Slices are there, but nothing is in them. */
  | { readonly code: 'empty-slices' }
  /** Something of an object that has to do with it was left out. */
  | { readonly code: 'left-out'; readonly object: SkippedObject }
  /** Endpoints that could serve are on these nodes, and so many. */
  | { readonly code: 'endpoints-elsewhere'; readonly nodes: readonly NodeCount[] }
  /** No endpoint of any Service names this node. */
  | { readonly code: 'node-without-endpoints' }
  /** The Service names the address, and has no clusterIP of its family. */
  | { readonly code: 'family-not-served'; readonly service: ObjectKey }
  /** The Service has the address, and no ports. */
  | { readonly code: 'no-ports'; readonly service: ObjectKey }
  | { readonly code: 'node-port-of'; readonly frontends: readonly OtherFrontend[] }
  /** These Services have the nodePort, but no clusterIP of the family that was dialled. */
  | { readonly code: 'node-port-of-other-family'; readonly services: readonly ObjectKey[] }
  | { readonly code: 'endpoint-of'; readonly services: readonly ObjectKey[] }
  /** One of several backends is the client itself: when it is picked, its own address is replaced. */
  | { readonly code: 'may-reach-itself' }
  /** No CIDR says which addresses are pods. */
  | { readonly code: 'no-detector' };

export interface OtherFrontend extends DialledFrontend {
  readonly service: ObjectKey;
}

export interface NodeCount {
  /** undefined: endpoints that name no node. */
  readonly node: string | undefined;
  readonly count: number;
}

export interface Explanation {
  readonly query: Query;
  readonly origin: Origin;
  readonly verdict: Verdict;
  readonly cause: Cause;
  /** That of a closed port too. */
  readonly service: ObjectKey | undefined;
  readonly frontend: DialledFrontend | undefined;
  readonly servicePort: ServicePort | undefined;
  /** The traffic policy that the Service has for the frontend. */
  readonly policy: TrafficPolicy | undefined;
  /** Which endpoints are considered: with policy Local, every node's for a client that it does not bind. */
  readonly list: EndpointList;
  /** A client inside is not bound by externalTrafficPolicy Local, and that is why it is served as it is. */
  readonly isShortCircuit: boolean;
  /** Which hints narrowed the backends. */
  readonly topology: TopologyMode;
  /** Nothing is ready: the backends serve while they terminate. */
  readonly isLastResort: boolean;
  /** How one of them is picked, and from how many slots; undefined unless the verdict is forward. */
  readonly balancing: { readonly type: Balancing; readonly slots: number } | undefined;
  /** One of these serves the connection, each by its weight; none unless the verdict is forward. */
  readonly backends: readonly Candidate[];
  /** Every other endpoint of the service port. */
  readonly excluded: readonly Excluded[];
  /** undefined: the backend sees the client's own address. */
  readonly masquerade: Masquerade | undefined;
  /** 0: none. */
  readonly affinityTimeoutSeconds: number;
  readonly notes: readonly Note[];
}
