// SPDX-License-Identifier: Apache-2.0
// From a Service and the Pods that it selects to its EndpointSlices, as Kubernetes' controller makes
// them. Pure. Endpoints stay in the slice they are in, so that a change rewrites what it touches only.

import type { IpFamily } from '../../agent/model/address.ts';
import {
  addressOf,
  type Endpoint,
  endpointOf,
  isOver,
  portsFor,
  type SlicePort,
} from './endpoint.ts';
import type { KubeObject } from './kube-object.ts';
import { isHeadless, serviceSpec } from './service-spec.ts';

/** What a slice shall be. With the name of an existing one it replaces that; without, it is new. */
export interface DesiredSlice {
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addressType: IpFamily;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly Endpoint[];
}

interface Surroundings {
  /** The Service's slices as they are. */
  readonly existing?: readonly KubeObject[];
  /** The topology zone of a node. */
  readonly zoneOf?: (nodeName: string) => string | undefined;
}

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
/** Set by the controller itself, whatever the Service's own labels say. */
const RESERVED_LABELS = [SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL];

export const MAX_ENDPOINTS_PER_SLICE = 100;

/** @returns true when `service`'s slices follow its selector, false when somebody else makes them. */
export function hasManagedSlices(service: KubeObject): boolean {
  const { type, selector } = serviceSpec(service);
  return type !== 'ExternalName' && Object.keys(selector ?? {}).length > 0;
}

export function selects(service: KubeObject, pod: KubeObject): boolean {
  const { namespace, labels = {} } = pod.metadata;
  if (service.metadata.namespace !== namespace) return false;
  return Object.entries(serviceSpec(service).selector ?? {}).every(
    ([key, value]) => labels[key] === value,
  );
}

/**
 * The slices that `service` shall have. An existing slice that is not named in the result is to be deleted.
 *
 * @param pods those that the Service selects.
 */
export function desiredSlices(
  service: KubeObject,
  pods: readonly KubeObject[],
  { existing = [], zoneOf = () => undefined }: Surroundings = {},
): DesiredSlice[] {
  const labels = sliceLabels(service);
  const families = (serviceSpec(service).ipFamilies ?? ['IPv4']) as readonly IpFamily[];
  return families.flatMap((addressType) => {
    const groups = groupByPorts(service, pods, addressType, zoneOf);
    const ofFamily = existing.filter((slice) => slice.addressType === addressType);
    // Without any endpoint, one empty slice says that the controller has been here.
    if (groups.length === 0) {
      const [kept] = ofFamily;
      return [{ ...nameOf(kept), labels, addressType, ports: [], endpoints: [] }];
    }
    const unused = new Set(ofFamily);
    const kept = groups.map((group) => keepInPlace(group, ofFamily, unused));
    return groups.flatMap((group, at) => {
      const slices = [...(kept[at] ?? []), ...fillUp(group, kept[at] ?? [], unused)];
      return slices.map(({ slice, endpoints }) => {
        return { ...nameOf(slice), labels, addressType, ports: group.ports, endpoints };
      });
    });
  });
}

interface Group {
  readonly ports: readonly SlicePort[];
  /** By address. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

interface Filled {
  readonly slice: KubeObject | undefined;
  readonly endpoints: Endpoint[];
}

function groupByPorts(
  service: KubeObject,
  pods: readonly KubeObject[],
  family: IpFamily,
  zoneOf: (nodeName: string) => string | undefined,
): Group[] {
  const groups = new Map<string, { ports: SlicePort[]; endpoints: Map<string, Endpoint> }>();
  for (const pod of pods) {
    const address = isOver(pod) ? undefined : addressOf(pod, family);
    if (!address) continue;
    const ports = portsFor(service, pod);
    const id = JSON.stringify(ports);
    const group = groups.get(id) ?? { ports, endpoints: new Map() };
    groups.set(id, group);
    group.endpoints.set(address, endpointOf(service, pod, address, zoneOf));
  }
  return [...groups.values()];
}

/** The group's slices as they are, less what has gone, with what has changed. Takes them out of `unused`. */
function keepInPlace(
  group: Group,
  existing: readonly KubeObject[],
  unused: Set<KubeObject>,
): Filled[] {
  const ports = JSON.stringify(group.ports);
  const seen = new Set<string>();
  return existing.flatMap((slice) => {
    if (JSON.stringify(slicePorts(slice)) !== ports) return [];
    const endpoints = addressesIn(slice).flatMap((address) => {
      const endpoint = seen.has(address) ? undefined : group.endpoints.get(address);
      seen.add(address);
      return endpoint ?? [];
    });
    if (endpoints.length === 0) return [];
    unused.delete(slice);
    return [{ slice, endpoints }];
  });
}

/** Puts what has no place yet into the kept slices, then into recycled and new ones (which it returns). */
function fillUp({ endpoints }: Group, kept: readonly Filled[], unused: Set<KubeObject>): Filled[] {
  const placed = new Set(
    kept.flatMap((slice) => slice.endpoints.map(({ addresses }) => addresses[0])),
  );
  const added: Filled[] = [];
  for (const [address, endpoint] of endpoints) {
    if (placed.has(address)) continue;
    let room = [...kept, ...added].find(
      (slice) => slice.endpoints.length < MAX_ENDPOINTS_PER_SLICE,
    );
    if (!room) {
      const [recycled] = unused;
      if (recycled) unused.delete(recycled);
      room = { slice: recycled, endpoints: [] };
      added.push(room);
    }
    room.endpoints.push(endpoint);
  }
  return added;
}

function sliceLabels(service: KubeObject): Record<string, string> {
  const own = Object.entries(service.metadata.labels ?? {});
  return {
    ...Object.fromEntries(own.filter(([key]) => !RESERVED_LABELS.includes(key))),
    [SERVICE_NAME_LABEL]: service.metadata.name,
    [MANAGED_BY_LABEL]: MANAGER,
    ...(isHeadless(serviceSpec(service)) && { [HEADLESS_LABEL]: '' }),
  };
}

function slicePorts(slice: KubeObject): readonly SlicePort[] {
  return (slice.ports as readonly SlicePort[] | null | undefined) ?? [];
}

function addressesIn(slice: KubeObject): string[] {
  return ((slice.endpoints as readonly Endpoint[] | undefined) ?? []).map(
    ({ addresses }) => addresses[0],
  );
}

function nameOf(slice: KubeObject | undefined): { name?: string } {
  return slice ? { name: slice.metadata.name } : {};
}
