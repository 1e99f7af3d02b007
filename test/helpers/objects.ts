// SPDX-License-Identifier: Apache-2.0
// Short ways to write down Services, slices and what they resolve to, for the tests of the agent's core.

import { familyOf, type IpAddress, parseAddress } from '../../agent/model/address.ts';
import {
  type EndpointPortSpec,
  type EndpointSliceSpec,
  type EndpointSpec,
  type ObjectKey,
  objectKey,
  type Protocol,
  type ServiceSpec,
} from '../../agent/model/objects.ts';
import type { ResolvedFrontend } from '../../agent/model/resolve.ts';
import type { Backend, Frontend } from '../../agent/model/service-port.ts';

/** `http/TCP:80`; `TCP:80` for a port without a name. */
export type PortText = `${Protocol}:${number}` | `${string}/${Protocol}:${number}`;

export function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is not an address`);
  return parsed;
}

export function service(
  key: ObjectKey,
  clusterIPs: readonly string[],
  ports: readonly PortText[],
  creationTimestamp?: string,
): ServiceSpec {
  return {
    ...splitKey(key),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    clusterIPs: clusterIPs.map(address),
    ports: ports.map(port),
  };
}

/** @param endpoints `10.244.1.2`, with what it is besides ready: `10.244.1.2 terminating serving`. */
export function slice(
  key: ObjectKey,
  serviceName: string,
  ports: readonly PortText[],
  endpoints: readonly string[],
): EndpointSliceSpec {
  const read = endpoints.map(endpoint);
  return {
    ...splitKey(key),
    serviceName,
    addressType: familyOf(read[0]?.address ?? address('0.0.0.0')),
    ports: ports.map(port),
    endpoints: read,
  };
}

/** Without words behind the address it is ready, which means serving too; else it is what they say. */
function endpoint(text: string): EndpointSpec {
  const [ip = '', ...words] = text.split(' ');
  const isReady = words.length === 0 || words.includes('ready');
  return {
    address: address(ip),
    ready: isReady,
    serving: isReady || words.includes('serving'),
    terminating: words.includes('terminating'),
  };
}

/** `10.96.0.1:80/TCP` or `[fd00::1]:80/TCP`. */
export function frontend(text: string): Frontend {
  const [, ip = '', digits, protocol] = text.match(/^(.+):(\d+)\/(\w+)$/) ?? [];
  return { ...addressAndPort(ip, digits), protocol: protocol as Protocol };
}

/** `10.244.1.2:8080` */
export function backend(text: string): Backend {
  const [, ip = '', digits] = text.match(/^(.+):(\d+)$/) ?? [];
  return addressAndPort(ip, digits);
}

export function resolved(
  key: ObjectKey,
  portName: string,
  dialled: string,
  backends: readonly string[],
): ResolvedFrontend {
  const resolvedFrontend = frontend(dialled);
  return {
    frontend: resolvedFrontend,
    servicePort: { service: key, portName, protocol: resolvedFrontend.protocol },
    backends: backends.map(backend),
  };
}

export function keyOf(object: ServiceSpec | EndpointSliceSpec): ObjectKey {
  return objectKey(object);
}

function splitKey(key: ObjectKey): { namespace: string; name: string } {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}

function port(text: PortText): EndpointPortSpec {
  const [, name = '', protocol, digits] = text.match(/^(?:(.*)\/)?(\w+):(\d+)$/) ?? [];
  return { name, protocol: protocol as Protocol, port: Number(digits) };
}

function addressAndPort(ip: string, digits: string | undefined): Backend {
  return { address: address(ip.replace(/^\[(.*)\]$/, '$1')), port: Number(digits) };
}
