// SPDX-License-Identifier: Apache-2.0
// What `kubectl get` shows of each kind: its columns, in their order.

import type { KubeObject } from '../kube-object.ts';
import { serviceSpec } from '../service-spec.ts';
import {
  type EventView,
  eventCount,
  eventObject,
  eventSource,
  externalAddresses,
  firstPodIp,
  firstSeen,
  labels,
  lastSeen,
  NONE,
  nodeAddress,
  nodeInfo,
  nodeReadiness,
  nodeRoles,
  type PodView,
  podPhase,
  podStatus,
  readyContainers,
  replicas,
  restarts,
  type SliceView,
  servicePorts,
  shortAge,
  shortList,
  wantedReplicas,
} from './cells.ts';

export interface Column {
  readonly name: string;
  /** Shown only with `-o wide`. */
  readonly isWide?: boolean;
  cell(object: KubeObject, nowMs: number): string | number;
}

const name: Column = { name: 'Name', cell: ({ metadata }) => metadata.name };
const age: Column = {
  name: 'Age',
  cell: ({ metadata }, nowMs) => shortAge(metadata.creationTimestamp, nowMs),
};

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  Pod: [
    name,
    { name: 'Ready', cell: readyContainers },
    { name: 'Status', cell: podPhase },
    { name: 'Restarts', cell: restarts },
    age,
    { name: 'IP', isWide: true, cell: (object) => podStatus(object)?.podIP ?? firstPodIp(object) },
    { name: 'Node', isWide: true, cell: (object) => (object as PodView).spec?.nodeName ?? NONE },
  ],
  Service: [
    name,
    { name: 'Type', cell: (object) => serviceSpec(object).type },
    { name: 'Cluster-IP', cell: (object) => serviceSpec(object).clusterIP || NONE },
    { name: 'External-IP', cell: externalAddresses },
    { name: 'Port(s)', cell: (object) => servicePorts(serviceSpec(object)) },
    age,
    { name: 'Selector', isWide: true, cell: (object) => labels(serviceSpec(object).selector) },
  ],
  EndpointSlice: [
    name,
    { name: 'AddressType', cell: (object) => (object as SliceView).addressType ?? '' },
    {
      name: 'Ports',
      cell: ({ ports }) =>
        shortList((ports as SliceView['ports'])?.map((port) => String(port.port ?? '*'))),
    },
    {
      name: 'Endpoints',
      cell: ({ endpoints }) =>
        shortList(
          (endpoints as SliceView['endpoints'])?.map((endpoint) => endpoint.addresses.join(',')),
        ),
    },
    age,
  ],
  Node: [
    name,
    { name: 'Status', cell: nodeReadiness },
    { name: 'Roles', cell: nodeRoles },
    age,
    { name: 'Version', cell: (object) => nodeInfo(object, 'kubeletVersion') },
    { name: 'Internal-IP', isWide: true, cell: (object) => nodeAddress(object, 'InternalIP') },
    { name: 'External-IP', isWide: true, cell: (object) => nodeAddress(object, 'ExternalIP') },
    { name: 'OS-Image', isWide: true, cell: (object) => nodeInfo(object, 'osImage') },
    { name: 'Kernel-Version', isWide: true, cell: (object) => nodeInfo(object, 'kernelVersion') },
    {
      name: 'Container-Runtime',
      isWide: true,
      cell: (object) => nodeInfo(object, 'containerRuntimeVersion'),
    },
  ],
  Namespace: [
    name,
    { name: 'Status', cell: (object) => podStatus(object)?.phase ?? 'Active' },
    age,
  ],
  ConfigMap: [name, { name: 'Data', cell: ({ data }) => Object.keys(data ?? {}).length }, age],
  ServiceCIDR: [
    name,
    { name: 'CIDRs', cell: ({ spec }) => ((spec as { cidrs?: string[] })?.cidrs ?? []).join(',') },
    age,
  ],
  Event: [
    { name: 'Last Seen', cell: (object, nowMs) => shortAge(lastSeen(object), nowMs) },
    { name: 'Type', cell: (object) => (object as EventView).type ?? '' },
    { name: 'Reason', cell: (object) => (object as EventView).reason ?? '' },
    { name: 'Object', cell: eventObject },
    {
      name: 'Subobject',
      isWide: true,
      cell: (object) => (object as EventView).involvedObject?.fieldPath ?? '',
    },
    { name: 'Source', isWide: true, cell: eventSource },
    { name: 'Message', cell: (object) => (object as EventView).message ?? '' },
    {
      name: 'First Seen',
      isWide: true,
      cell: (object, nowMs) => shortAge(firstSeen(object), nowMs),
    },
    { name: 'Count', isWide: true, cell: eventCount },
    { ...name, isWide: true },
  ],
  Deployment: [
    name,
    {
      name: 'Ready',
      cell: (object) => `${replicas(object, 'readyReplicas')}/${wantedReplicas(object)}`,
    },
    { name: 'Up-to-date', cell: (object) => replicas(object, 'updatedReplicas') },
    { name: 'Available', cell: (object) => replicas(object, 'availableReplicas') },
    age,
  ],
  ReplicaSet: [
    name,
    { name: 'Desired', cell: wantedReplicas },
    { name: 'Current', cell: (object) => replicas(object, 'replicas') },
    { name: 'Ready', cell: (object) => replicas(object, 'readyReplicas') },
    age,
  ],
};

/** The columns of a kind: name and age where nothing better is known. */
export function columnsOf(kind: string): readonly Column[] {
  return COLUMNS[kind] ?? [name, age];
}
