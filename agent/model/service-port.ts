// SPDX-License-Identifier: Apache-2.0
// The nouns between Kubernetes' objects and the kernel's tables.

import { formatEndpoint, type IpAddress } from './address.ts';
import type { ObjectKey, Protocol } from './objects.ts';

/** What Kubernetes names namespace/name:port. */
export interface ServicePort {
  readonly service: ObjectKey;
  /** '' for the only port of a Service, unnamed. */
  readonly portName: string;
  readonly protocol: Protocol;
}

/** Identity of a service port in text: `default/quote:http/TCP`. */
export type ServicePortKey = string & { readonly servicePortKey?: never };

export function servicePortKey(port: ServicePort): ServicePortKey {
  return `${port.service}:${port.portName}/${port.protocol}`;
}

/** An address and port that serves. */
export interface Backend {
  readonly address: IpAddress;
  readonly port: number;
}

/** Identity of a backend in text. */
export function backendKey({ address, port }: Backend): string {
  return `${address} ${port}`;
}

/** An address, port and protocol that clients dial. */
export interface Frontend {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: Protocol;
}

/** Identity of a frontend in text: `10.96.0.10:53/UDP`. */
export type FrontendKey = string & { readonly frontendKey?: never };

export function frontendKey(frontend: Frontend): FrontendKey {
  return `${formatEndpoint(frontend.address, frontend.port)}/${frontend.protocol}`;
}

/** The backends that one frontend may use, in a stable order, without duplicates. */
export type BackendSet = readonly Backend[];

/** Identity of a backend set in text: equal sets have equal keys. */
export type BackendSetKey = string & { readonly backendSetKey?: never };

export function backendSetKey(backends: BackendSet): BackendSetKey {
  return backends.map(backendKey).join(',');
}
