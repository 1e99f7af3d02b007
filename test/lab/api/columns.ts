// SPDX-License-Identifier: Apache-2.0
// What `kubectl get` shows of each kind: the columns, and how a cell is read off an object. Pure.

import type { KubeObject } from '../kube-object.ts';
import { type ServiceSpecObject, serviceSpec } from '../service-spec.ts';

export interface Column {
  readonly name: string;
  /** Shown only with `-o wide`. */
  readonly isWide?: boolean;
  cell(object: KubeObject, nowMs: number): string | number;
}

interface Condition {
  readonly type: string;
  readonly status: string;
}
interface ContainerStatus {
  readonly ready?: boolean;
  readonly restartCount?: number;
}
interface PodView {
  readonly spec?: { readonly nodeName?: string; readonly containers?: readonly unknown[] };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}
interface NodeView {
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly nodeInfo?: Readonly<Record<string, string>>;
  };
}
interface SliceView {
  readonly addressType?: string;
  readonly ports?: readonly { readonly port?: number }[];
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}
interface EventView {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string;
  readonly eventTime?: string;
  readonly involvedObject?: { readonly kind?: string; readonly name?: string };
}
interface ReplicasView {
  readonly spec?: { readonly replicas?: number };
  readonly status?: Readonly<Record<string, number>>;
}

const NONE = '<none>';
/** Names in a cell before it says how many more there are. */
const SHOWN = 3;
const ROLE_LABEL = 'node-role.kubernetes.io/';

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
    { name: 'Last Seen', cell: (object, nowMs) => shortAge(eventTime(object), nowMs) },
    { name: 'Type', cell: (object) => (object as EventView).type ?? '' },
    { name: 'Reason', cell: (object) => (object as EventView).reason ?? '' },
    { name: 'Object', cell: eventObject },
    { name: 'Message', cell: (object) => (object as EventView).message ?? '' },
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

/** An age as kubectl writes it: one or two units, coarser the older. */
export function shortAge(since: string | undefined, nowMs: number): string {
  const seconds = Math.floor((nowMs - Date.parse(since ?? '')) / 1000);
  if (Number.isNaN(seconds)) return '<unknown>';
  if (seconds < 120) return `${Math.max(seconds, 0)}s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)}m${seconds % 60 ? `${seconds % 60}s` : ''}`;
  if (seconds < 3 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function podStatus(object: KubeObject): PodView['status'] {
  return (object as PodView).status;
}

function readyContainers(object: KubeObject): string {
  const { spec, status } = object as PodView;
  const statuses = status?.containerStatuses;
  const total = spec?.containers?.length ?? statuses?.length ?? 0;
  const isReady = isTrue(status?.conditions, 'Ready');
  const ready = statuses
    ? statuses.filter((container) => container.ready).length
    : isReady
      ? total
      : 0;
  return `${ready}/${total}`;
}

function podPhase(object: KubeObject): string {
  if (object.metadata.deletionTimestamp) return 'Terminating';
  return podStatus(object)?.phase ?? 'Pending';
}

function restarts(object: KubeObject): number {
  const statuses = podStatus(object)?.containerStatuses ?? [];
  return statuses.reduce((sum, container) => sum + (container.restartCount ?? 0), 0);
}

function firstPodIp(object: KubeObject): string {
  return podStatus(object)?.podIPs?.[0]?.ip ?? NONE;
}

function externalAddresses(object: KubeObject): string {
  const spec = serviceSpec(object);
  const { loadBalancer } = (object.status ?? {}) as {
    loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] };
  };
  const ingress = (loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
  const all = [...ingress, ...((spec.externalIPs as string[] | undefined) ?? [])];
  if (all.length > 0) return all.join(',');
  if (spec.type === 'ExternalName') return spec.externalName ?? NONE;
  return spec.type === 'LoadBalancer' ? '<pending>' : NONE;
}

function servicePorts({ ports = [] }: ServiceSpecObject): string {
  const texts = ports.map(({ port, protocol, nodePort }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return texts.join(',') || NONE;
}

function labels(selector: Readonly<Record<string, string>> = {}): string {
  const texts = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  return texts.join(',') || NONE;
}

function shortList(items: readonly string[] = []): string {
  if (items.length === 0) return '<unset>';
  const more = items.length > SHOWN ? ` + ${items.length - SHOWN} more...` : '';
  return items.slice(0, SHOWN).join(',') + more;
}

function nodeReadiness(object: KubeObject): string {
  return isTrue((object as NodeView).status?.conditions, 'Ready') ? 'Ready' : 'NotReady';
}

function nodeRoles({ metadata }: KubeObject): string {
  const roles = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(ROLE_LABEL));
  return roles.map((label) => label.slice(ROLE_LABEL.length)).join(',') || NONE;
}

function nodeInfo(object: KubeObject, field: string): string {
  return (object as NodeView).status?.nodeInfo?.[field] ?? '<unknown>';
}

function nodeAddress(object: KubeObject, type: string): string {
  const addresses = (object as NodeView).status?.addresses ?? [];
  return addresses.find((address) => address.type === type)?.address ?? NONE;
}

function eventTime(object: KubeObject): string | undefined {
  const { lastTimestamp, eventTime } = object as EventView;
  return lastTimestamp ?? eventTime ?? object.metadata.creationTimestamp;
}

function eventObject(object: KubeObject): string {
  const { kind = '', name: involved = '' } = (object as EventView).involvedObject ?? {};
  return `${kind.toLowerCase()}/${involved}`;
}

function wantedReplicas(object: KubeObject): number {
  return (object as ReplicasView).spec?.replicas ?? 1;
}

function replicas(object: KubeObject, field: string): number {
  return (object as ReplicasView).status?.[field] ?? 0;
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return (
    conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false
  );
}
