// SPDX-License-Identifier: Apache-2.0
// Short ways to write down Services, slices and what they resolve to, for the tests of the agent's core.

import {
  familyOf,
  type IpAddress,
  type IpPrefix,
  parseAddress,
  parsePrefix,
} from '../../agent/model/address.ts';
import {
  type EndpointPortSpec,
  type EndpointSliceSpec,
  type EndpointSpec,
  type ObjectKey,
  objectKey,
  type Protocol,
  type ServiceSpec,
} from '../../agent/model/objects.ts';
import type { ResolvedServicePort, Route } from '../../agent/model/resolve.ts';
import type { Backend, Frontend } from '../../agent/model/service-port.ts';

/** `http/TCP:80`; `TCP:80` for a port without a name. */
export type PortText = `${Protocol}:${number}` | `${string}/${Protocol}:${number}`;
/** The same of a Service, with its nodePort if it has one: `http/TCP:80 30080`. */
export type ServicePortText = PortText | `${PortText} ${number}`;

export function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`${text} is not an address`);
  return parsed;
}

export function prefix(text: string): IpPrefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`${text} is not a CIDR`);
  return parsed;
}

export function prefixes(...texts: readonly string[]): IpPrefix[] {
  return texts.map(prefix);
}

/** A plain Service; `more` has what it has besides. */
export function service(
  key: ObjectKey,
  clusterIPs: readonly string[],
  ports: readonly ServicePortText[],
  creationTimestamp?: string,
  more: Partial<ServiceSpec> = {},
): ServiceSpec {
  return {
    ...splitKey(key),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    clusterIPs: clusterIPs.map(address),
    externalIPs: [],
    loadBalancerIPs: [],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: 'Cluster',
    affinityTimeoutSeconds: 0,
    balancing: 'random',
    ports: ports.map((text) => {
      const [portText = '', nodePort = '0'] = text.split(' ');
      return { ...port(portText as PortText), nodePort: Number(nodePort) };
    }),
    ...more,
  };
}

/**
 * @param endpoints `10.244.1.2`, with what it is besides ready: `10.244.1.2 terminating serving`; its node
 *   `on:node-1`; the zone that it is hinted to `for:zone-a`, or the node `at:node-1`.
 */
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

const CONDITIONS = ['unready', 'ready', 'serving', 'terminating'];

/** Without a condition behind the address it is ready, which means serving too; else it is what they say. */
function endpoint(text: string): EndpointSpec {
  const [ip = '', ...words] = text.split(' ');
  const isReady = !words.some((word) => CONDITIONS.includes(word)) || words.includes('ready');
  const after = (prefix: string) =>
    words.find((word) => word.startsWith(prefix))?.slice(prefix.length);
  const [nodeName, zone, node] = [after('on:'), after('for:'), after('at:')];
  return {
    address: address(ip),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zoneHints: [zone] }),
    ...(node === undefined ? {} : { nodeHints: [node] }),
    ready: isReady,
    serving: isReady || words.includes('serving'),
    terminating: words.includes('terminating'),
  };
}

/** `10.96.0.1:80/TCP` or `[fd00::1]:80/TCP`. */
export function frontend(text: string): Frontend {
  const [, ip = '', digits, protocol] = text.match(/^(.+):(\d+)\/(\w+)$/) ?? [];
  return { scope: 'address', ...addressAndPort(ip, digits), protocol: protocol as Protocol };
}

/** `10.244.1.2:8080` */
export function backend(text: string): Backend {
  const [, ip = '', digits] = text.match(/^(.+):(\d+)$/) ?? [];
  return addressAndPort(ip, digits);
}

/** A service port with one clusterIP frontend, the same for all clients. */
export function resolved(
  key: ObjectKey,
  portName: string,
  dialled: string,
  backends: readonly string[],
): ResolvedServicePort {
  const { protocol, ...rest } = frontend(dialled) as Frontend & { protocol: Protocol };
  const set = backends.map(backend);
  const route: Route = { list: 'cluster', backends: set, onEmpty: 'reject' };
  return {
    servicePort: { service: key, portName, protocol },
    frontends: [
      {
        frontend: { ...rest, protocol },
        kind: 'clusterIP',
        inside: route,
        outside: route,
        isRestricted: false,
      },
    ],
    affinityTimeoutSeconds: 0,
    balancing: 'random',
    members: set.map((one) => ({
      backend: one,
      isInCluster: true,
      isInLocal: false,
      isOnNode: false,
    })),
    forgetsMembers: false,
    sourceRanges: [],
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
