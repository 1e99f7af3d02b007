// SPDX-License-Identifier: Apache-2.0
// The nouns between Kubernetes' objects and the kernel's tables.

import { formatEndpoint, type IpAddress } from './address.ts';
import { hashNumbers } from './hash.ts';
import type { ObjectKey, Protocol } from './objects.ts';
import type { AnyProtocol } from './protocol.ts';

/** What Kubernetes names namespace/name:port. */
export interface ServicePort {
  readonly service: ObjectKey;
  /** '' for the only port of a Service, unnamed. */
  readonly portName: string;
  readonly protocol: Protocol;
}

// Keys are joined and not written as templates: V8 keeps a template's result as a tree of its parts, for good where it is
// the key of a map, which takes thrice the memory.

/** Identity of a service port in text: `default/quote:http/TCP`. */
export type ServicePortKey = string & { readonly servicePortKey?: never };

export function servicePortKey(port: ServicePort): ServicePortKey {
  return [port.service, ':', port.portName, '/', port.protocol].join('');
}

/** An address and port that serves. */
export interface Backend {
  readonly address: IpAddress;
  readonly port: number;
}

/** Identity of a backend in text. */
export function backendKey({ address, port }: Backend): string {
  return [address, port].join(' ');
}

/** What of a Service leads clients to a frontend that they dial. */
export type DialledKind = 'clusterIP' | 'externalIP' | 'loadBalancer' | 'nodePort';

/** `otherPorts` stands for all that a clusterIP does not serve, `echo` for what answers to a ping. */
export type FrontendKind = DialledKind | 'otherPorts' | 'echo';

export function isDialled(kind: FrontendKind | undefined): kind is DialledKind {
  return kind !== undefined && kind !== 'otherPorts' && kind !== 'echo';
}

/** Which packets a frontend is for, besides port and protocol. */
export type FrontendScope =
  /** Those to its address. */
  | 'address'
  /** Those to any address of the node; its own address is that of no host, and tells the family. */
  | 'node'
  /** Those to its address for which there is no other frontend; port is 0, protocol `any`. */
  | 'otherPorts'
  /** ICMP echo requests to its address; port is 0, protocol `any`. */
  | 'echo';

/** What clients dial: the identity of an entry in the tables. */
export interface Frontend {
  readonly scope: FrontendScope;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: Protocol | AnyProtocol;
}

/** Identity of a frontend in text: `10.96.0.10:53/UDP`, `nodePort 0.0.0.0:30053/UDP`, `10.96.0.10:*`, `echo 192.0.2.7`. */
export type FrontendKey = string & { readonly frontendKey?: never };

export function frontendKey({ scope, address, port, protocol }: Frontend): FrontendKey {
  if (scope === 'otherPorts' && port === 0) return formatEndpoint(address, '*');
  if (scope === 'echo' && port === 0 && protocol === 'any') return `echo ${address}`;
  const text = [formatEndpoint(address, port), protocol].join('/');
  if (scope === 'address') return text;
  return scope === 'node' ? `nodePort ${text}` : `${scope} ${text}`;
}

/**
 * The backends that one frontend may use, in a stable order: each once, or, of a Maglev table, as often as it has
 * places there.
 */
export type BackendSet = readonly Backend[];

/** Identity of a backend set in text: equal sets have equal keys. */
export type BackendSetKey = string & { readonly backendSetKey?: never };

export function backendSetKey(backends: BackendSet): BackendSetKey {
  if (backends.length <= FEW && areDistinct(backends)) {
    return backends.map(backendKey).join(',');
  }
  const places = new Map<string, number>();
  // A table is made of few objects: their texts are made once.
  const known = new Map<Backend, number>();
  const order = backends.map((backend) => {
    const seen = known.get(backend);
    if (seen !== undefined) return seen;
    const key = backendKey(backend);
    const place = places.get(key) ?? places.size;
    places.set(key, place);
    known.set(backend, place);
    return place;
  });
  const distinct = [...places.keys()].join(',');
  if (places.size === backends.length) return distinct;
  const hashes = [0, 1].map((seed) => hashNumbers(order, seed).toString(16));
  return `${backends.length} places ${hashes.join('')} of ${distinct}`;
}

/** Up to so many, comparing each with each is faster than hashing. */
const FEW = 8;

function areDistinct(backends: BackendSet): boolean {
  for (let i = 1; i < backends.length; i++) {
    const { address, port } = backends[i] as Backend;
    for (let j = 0; j < i; j++) {
      const other = backends[j] as Backend;
      if (other.port === port && other.address === address) return false;
    }
  }
  return true;
}

/** Each backend once: in the order of the set, or of their texts where it is a table. */
export function distinctBackends(backends: BackendSet): BackendSet {
  const distinct = new Map(backends.map((backend) => [backendKey(backend), backend]));
  if (distinct.size === backends.length) return backends;
  const texts = [...distinct.values()].map(
    (backend) => [formatEndpoint(backend.address, backend.port), backend] as const,
  );
  return texts.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, backend]) => backend);
}
