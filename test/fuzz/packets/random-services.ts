// SPDX-License-Identifier: Apache-2.0
// Random Services around the node of test/prog, the same in both families, and what of them is allowed to
// whom: written from the Kubernetes documentation (traffic policies, source ranges, terminating endpoints),
// not from the programs. Pure.

import fc from 'fast-check';
import { type IpAddress, type IpFamily, prefixContains } from '../../../agent/model/address.ts';
import type { EndpointSliceSpec, ServiceSpec } from '../../../agent/model/objects.ts';
import { prefixes } from '../../helpers/objects.ts';
import { addressOf, FAMILIES, Packets, type Place, SERVICE_CIDRS } from '../../prog/places.ts';
import { other, web } from '../../prog/rows.ts';
import { type End, endKey, SCTP, TCP, type Tuple, UDP } from './wire.ts';

const PODS = [
  'localPod',
  'secondLocalPod',
  'remotePod',
  'secondRemotePod',
  'narrowPod',
  'unreachablePod',
] as const;
const CONDITIONS = ['', ' terminating serving', ' unready'] as const;

type Pod = (typeof PODS)[number];
type Condition = (typeof CONDITIONS)[number];

const LOCAL: readonly Place[] = ['localPod', 'secondLocalPod'];
const NODE_ADDRESSES = ['node', 'narrowNode'] as const;

export interface RandomService {
  readonly endpoints: readonly { readonly pod: Pod; readonly condition: Condition }[];
  readonly isInternalLocal: boolean;
  readonly isExternalLocal: boolean;
  readonly isRestricted: boolean;
  readonly affinitySeconds: number;
}

/** `web` has every kind of address, `other` a clusterIP alone; the same pods serve both. */
export interface RandomCluster {
  readonly web?: RandomService | undefined;
  readonly other?: RandomService | undefined;
}

const seldom = fc.nat(5).map((n) => n === 0);

const endpoint = fc.record({
  pod: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...PODS.slice(0, 5)) },
    { weight: 1, arbitrary: fc.constant(PODS[5]) },
  ),
  condition: fc.oneof(
    { weight: 6, arbitrary: fc.constant(CONDITIONS[0]) },
    { weight: 1, arbitrary: fc.constantFrom(...CONDITIONS) },
  ),
});

const service: fc.Arbitrary<RandomService> = fc.record({
  endpoints: fc.uniqueArray(endpoint, { maxLength: 3, selector: ({ pod }) => pod }),
  isInternalLocal: seldom,
  isExternalLocal: seldom,
  isRestricted: seldom,
  affinitySeconds: fc.constantFrom(0, 0, 0, 100),
});

export const clusters: fc.Arbitrary<RandomCluster> = fc.record({
  web: fc.option(service, { freq: 12, nil: undefined }),
  other: fc.option(service, { freq: 6, nil: undefined }),
});

/** Those of IPv6 are Services of their own, with nodePorts of their own. */
export function nodePortOf(family: IpFamily, protocol: number): number {
  return (protocol === SCTP ? 30_900 : 30_080) + (family === 'IPv6' ? 100 : 0);
}

/** What dialled ports lead to, by protocol. */
const TARGETS = new Map([
  [TCP, { port: 80, target: 8080 }],
  [UDP, { port: 80, target: 8080 }],
  [SCTP, { port: 9000, target: 9000 }],
]);

/** As objects of the API. */
export function objectsOf(cluster: RandomCluster): (ServiceSpec | EndpointSliceSpec)[] {
  return FAMILIES.flatMap((family) => {
    const packets = new Packets(family);
    return [
      ...(cluster.web ? ofFamily(packets, web(packets, ...partsOf(cluster.web, family))) : []),
      ...(cluster.other
        ? ofFamily(packets, other(packets, ...partsOf(cluster.other, family)))
        : []),
    ];
  });
}

function partsOf(
  { endpoints, isInternalLocal, isExternalLocal, isRestricted, affinitySeconds }: RandomService,
  family: IpFamily,
): [`${Place}${string}`[], Partial<ServiceSpec>] {
  const client = addressOf('client', family);
  const ranges = isRestricted ? prefixes(`${client}/${family === 'IPv4' ? 32 : 128}`) : [];
  return [
    endpoints.map(({ pod, condition }) => `${pod}${condition}` as const),
    {
      internalTrafficPolicy: isInternalLocal ? 'Local' : 'Cluster',
      externalTrafficPolicy: isExternalLocal ? 'Local' : 'Cluster',
      loadBalancerSourceRanges: ranges,
      affinityTimeoutSeconds: affinitySeconds,
    },
  ];
}

function ofFamily(
  { family }: Packets,
  [spec, slice]: [ServiceSpec, EndpointSliceSpec],
): [ServiceSpec, EndpointSliceSpec] {
  const name = `${spec.name}-${family.toLowerCase()}`;
  const numbers = { TCP, UDP, SCTP } as const;
  const ports = spec.ports.map((port) => ({
    ...port,
    nodePort: port.nodePort ? nodePortOf(family, numbers[port.protocol]) : 0,
  }));
  return [
    { ...spec, name, ports },
    { ...slice, name: `${name}-1`, serviceName: name },
  ];
}

/** What stands at an address and port. */
export type Finding =
  | { readonly kind: 'service'; readonly offer: Offer }
  /** Of service addresses: refused, dropped or passed. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'nothing' };

export interface Offer {
  readonly service: RandomService;
  /** Of all addresses of one port: affinity counts for all of them. */
  readonly servicePort: string;
  readonly address: 'clusterIP' | 'loadBalancer' | 'external' | 'nodePort';
  readonly target: number;
}

const WEB_ADDRESSES = ['clusterIP', 'loadBalancer', 'external'] as const;

export function findDialled(
  cluster: RandomCluster,
  family: IpFamily,
  { protocol, destination }: Tuple,
): Finding {
  const is = (place: Place) => addressOf(place, family) === destination.address;
  const { port, target } = TARGETS.get(protocol) ?? { port: -1, target: -1 };
  const offer = (service: RandomService, name: string, address: Offer['address']): Finding => ({
    kind: 'service',
    offer: { service, servicePort: `${family} ${name} ${protocol}`, address, target },
  });
  if (cluster.web) {
    const found = WEB_ADDRESSES.find(is);
    if (found && destination.port === port) return offer(cluster.web, 'web', found);
    const isNodePort = destination.port === nodePortOf(family, protocol) && NODE_ADDRESSES.some(is);
    if (isNodePort && target !== -1) return offer(cluster.web, 'web', 'nodePort');
  }
  if (cluster.other && is('otherClusterIP') && destination.port === port) {
    return offer(cluster.other, 'other', 'clusterIP');
  }
  // Service addresses that no Service has, and their other ports.
  const isService = (['clusterIP', 'otherClusterIP', 'unallocated'] as const).some(is);
  return { kind: isService ? 'closed' : 'nothing' };
}

/** Backends that a new connection may get; `denied` by the source ranges. */
export function allowedBackends(
  { service, address, target }: Offer,
  family: IpFamily,
  client: { readonly address: IpAddress; readonly isInside: boolean },
): readonly End[] | 'denied' {
  const isRestricted = address === 'loadBalancer' && service.isRestricted;
  if (isRestricted && client.address !== addressOf('client', family)) return 'denied';
  const isLocal =
    address === 'clusterIP' ? service.isInternalLocal : service.isExternalLocal && !client.isInside;
  const here = service.endpoints.filter(({ pod }) => !isLocal || LOCAL.includes(pod));
  const ready = here.filter(({ condition }) => condition === '');
  const last = here.filter(({ condition }) => condition === ' terminating serving');
  return (ready.length ? ready : last).map(({ pod }) => ({
    address: addressOf(pod, family),
    port: target,
  }));
}

/** Whether only backends of this node are kept in mind: of TCP by a clusterIP alone, without affinity. */
export function forgetsMembers({ other }: RandomCluster, servicePort: string): boolean {
  const isTcp = servicePort.endsWith(` ${TCP}`);
  return isTcp && servicePort.includes(' other ') && !other?.affinitySeconds;
}

/** Whether connections that a backend of the port has may go on there. */
export function serves(
  cluster: RandomCluster,
  servicePort: string,
  family: IpFamily,
  { address }: End,
): boolean {
  const service = servicePort.includes(' web ') ? cluster.web : cluster.other;
  return !!service?.endpoints.some(
    ({ pod, condition }) => condition !== ' unready' && addressOf(pod, family) === address,
  );
}

export function isOnNode(address: IpAddress): boolean {
  return FAMILIES.some((family) => LOCAL.some((pod) => addressOf(pod, family) === address));
}

/** The address of the node that packets to `backend` are masqueraded with. */
export function masqueradeAddress(family: IpFamily, backend: IpAddress): IpAddress {
  const isNarrow = addressOf('narrowPod', family) === backend;
  return addressOf(isNarrow ? 'narrowNode' : 'node', family);
}

export function backendsText(backends: readonly End[] | 'denied'): string {
  return backends === 'denied' ? 'none: it is denied' : backends.map(endKey).join(', ') || 'none';
}

/** Whether clusterIPs are taken from where it is. */
export function isServiceAddress(address: IpAddress): boolean {
  return prefixes(...SERVICE_CIDRS).some((prefix) => prefixContains(prefix, address));
}
