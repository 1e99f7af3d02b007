// SPDX-License-Identifier: Apache-2.0
// The endpoints of a service port, and which of them kube-proxy uses (semantics 1.4, 1.5). Used by oracle.ts.

import { canonical, familyOf } from './addresses.ts';
import type {
  Family,
  RawCluster,
  RawEndpoint,
  RawEndpointSlice,
  RawMetadata,
  RawService,
  RawServicePort,
} from './raw-objects.ts';
import { isSoundEndpoint, isSoundSlice } from './sound-objects.ts';

export interface Endpoint {
  /** `ip:port` */
  readonly at: string;
  readonly address: string;
  readonly nodeName: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Names; none is no hint. */
  readonly nodeHints: readonly string[];
  readonly zoneHints: readonly string[];
}

/** 1.4: each address and port once, by the port's name and protocol. @param service namespace/name. */
export function endpointsOf(
  cluster: RawCluster,
  service: string,
  servicePort: RawServicePort,
  family: Family,
): Endpoint[] {
  const all = slicesThatCount(cluster)
    .filter((slice) => slice.addressType === family && serviceOf(slice) === service)
    .toSorted((a, b) => compareTexts(keyOf(a.metadata), keyOf(b.metadata)))
    .flatMap((slice) =>
      (slice.ports ?? [])
        .filter(({ name, port }) => typeof name === 'string' && port)
        .filter(({ name }) => name === (servicePort.name ?? ''))
        .filter(({ protocol }) => (protocol ?? 'TCP') === (servicePort.protocol ?? 'TCP'))
        .flatMap(({ port }) => soundEndpoints(slice).map((raw) => readEndpoint(raw, Number(port)))),
    );
  // What is not terminating wins. Kube-proxy leaves the rest open; here the more usable one does.
  const rank = (e: Endpoint) => (e.terminating ? 4 : 0) + (e.ready ? 0 : 2) + (e.serving ? 0 : 1);
  const bestFirst = all.toSorted((a, b) => rank(a) - rank(b));
  return bestFirst.filter((e, i) => bestFirst.findIndex(({ at }) => at === e.at) === i);
}

/** Whether an endpoint of one of `services`, ready or not, is on the node and has this address. */
export function isEndpointOn(
  nodeName: string,
  cluster: RawCluster,
  services: readonly RawService[],
  address: string,
): boolean {
  const keys = services.map(({ metadata }) => keyOf(metadata));
  return slicesThatCount(cluster)
    .filter((slice) => keys.includes(serviceOf(slice) ?? ''))
    .flatMap(soundEndpoints)
    .some((raw) => raw.nodeName === nodeName && canonical(raw.addresses?.[0]) === address);
}

/** 1.5, rule 5. */
export function hasAny(endpoints: readonly Endpoint[]): boolean {
  return endpoints.some((e) => e.ready || isDraining(e));
}

/** 1.5, rules 1 and 2. @param zone '' when the node has none. */
export function clusterList(
  endpoints: readonly Endpoint[],
  nodeName: string,
  zone: string,
): Endpoint[] {
  const ready = endpoints.filter((e) => e.ready);
  if (ready.length === 0) return endpoints.filter(isDraining);
  const forNode = ready.filter((e) => e.nodeHints.includes(nodeName));
  if (ready.every((e) => e.nodeHints.length > 0) && forNode.length > 0) return forNode;
  const forZone = ready.filter((e) => e.zoneHints.includes(zone));
  if (ready.every((e) => e.zoneHints.length > 0) && forZone.length > 0) return forZone;
  return ready;
}

/** 1.5, rules 3 and 4: hints never count here. */
export function localList(endpoints: readonly Endpoint[], nodeName: string): Endpoint[] {
  const local = endpoints.filter((e) => e.nodeName === nodeName);
  const ready = local.filter((e) => e.ready);
  return ready.length > 0 ? ready : local.filter(isDraining);
}

/** On its way out, but still serving: used when nothing is ready. */
function isDraining({ ready, serving, terminating }: Endpoint): boolean {
  return !ready && serving && terminating;
}

/** 1.1: slices of headless Services are not watched. */
function slicesThatCount({ endpointSlices }: RawCluster): RawEndpointSlice[] {
  return endpointSlices.filter(
    (slice) =>
      !Object.hasOwn(slice.metadata.labels ?? {}, 'service.kubernetes.io/headless') &&
      serviceOf(slice) !== undefined &&
      isSoundSlice(slice),
  );
}

/** @returns namespace/name of the Service that the slice names. */
function serviceOf({ metadata }: RawEndpointSlice): string | undefined {
  const name = metadata.labels?.['kubernetes.io/service-name'];
  return name ? keyOf({ ...metadata, name }) : undefined;
}

function soundEndpoints({ endpoints, addressType }: RawEndpointSlice): RawEndpoint[] {
  return (endpoints ?? []).filter((endpoint) => isSoundEndpoint(endpoint, addressType));
}

function readEndpoint(raw: RawEndpoint, port: number): Endpoint {
  const address = canonical(raw.addresses?.[0]) ?? '';
  return {
    address,
    at: familyOf(address) === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`,
    nodeName: raw.nodeName ?? undefined,
    ready: raw.conditions?.ready ?? true,
    serving: raw.conditions?.serving ?? true,
    terminating: raw.conditions?.terminating ?? false,
    nodeHints: (raw.hints?.forNodes ?? []).map(({ name }) => name),
    zoneHints: (raw.hints?.forZones ?? []).map(({ name }) => name),
  };
}

/** namespace/name */
export function keyOf({ namespace, name }: RawMetadata): string {
  return `${namespace ?? 'default'}/${name}`;
}

/** By code units, as Go compares. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
