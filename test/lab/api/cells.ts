// SPDX-License-Identifier: Apache-2.0
// How the cells of `kubectl get` are read off objects. Pure; columns.ts says which cells a kind has.

import type { KubeObject } from '../kube-object.ts';
import { type ServiceSpecObject, serviceSpec } from '../service-spec.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
}
interface ContainerStatus {
  readonly ready?: boolean;
  readonly restartCount?: number;
}
export interface PodView {
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
export interface SliceView {
  readonly addressType?: string;
  readonly ports?: readonly { readonly port?: number }[];
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}
export interface EventView {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly firstTimestamp?: string;
  readonly lastTimestamp?: string;
  readonly eventTime?: string;
  readonly count?: number;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string };
  readonly involvedObject?: {
    readonly kind?: string;
    readonly name?: string;
    readonly fieldPath?: string;
  };
  readonly source?: { readonly component?: string; readonly host?: string };
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
}
interface ReplicasView {
  readonly spec?: { readonly replicas?: number };
  readonly status?: Readonly<Record<string, number>>;
}

export const NONE = '<none>';
/** Names in a cell before it says how many more there are. */
const SHOWN = 3;
const ROLE_LABEL = 'node-role.kubernetes.io/';

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

export function podStatus(object: KubeObject): PodView['status'] {
  return (object as PodView).status;
}

export function readyContainers(object: KubeObject): string {
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

export function podPhase(object: KubeObject): string {
  if (object.metadata.deletionTimestamp) return 'Terminating';
  return podStatus(object)?.phase ?? 'Pending';
}

export function restarts(object: KubeObject): number {
  const statuses = podStatus(object)?.containerStatuses ?? [];
  return statuses.reduce((sum, container) => sum + (container.restartCount ?? 0), 0);
}

export function firstPodIp(object: KubeObject): string {
  return podStatus(object)?.podIPs?.[0]?.ip ?? NONE;
}

export function externalAddresses(object: KubeObject): string {
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

export function servicePorts({ ports = [] }: ServiceSpecObject): string {
  const texts = ports.map(({ port, protocol, nodePort }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return texts.join(',') || NONE;
}

export function labels(selector: Readonly<Record<string, string>> = {}): string {
  const texts = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  return texts.join(',') || NONE;
}

export function shortList(items: readonly string[] = []): string {
  if (items.length === 0) return '<unset>';
  const more = items.length > SHOWN ? ` + ${items.length - SHOWN} more...` : '';
  return items.slice(0, SHOWN).join(',') + more;
}

export function nodeReadiness(object: KubeObject): string {
  return isTrue((object as NodeView).status?.conditions, 'Ready') ? 'Ready' : 'NotReady';
}

export function nodeRoles({ metadata }: KubeObject): string {
  const roles = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(ROLE_LABEL));
  return roles.map((label) => label.slice(ROLE_LABEL.length)).join(',') || NONE;
}

export function nodeInfo(object: KubeObject, field: string): string {
  return (object as NodeView).status?.nodeInfo?.[field] ?? '<unknown>';
}

export function nodeAddress(object: KubeObject, type: string): string {
  const addresses = (object as NodeView).status?.addresses ?? [];
  return addresses.find((address) => address.type === type)?.address ?? NONE;
}

export function firstSeen(object: KubeObject): string | undefined {
  const { firstTimestamp, eventTime } = object as EventView;
  return firstTimestamp ?? eventTime;
}

export function lastSeen(object: KubeObject): string | undefined {
  const { series, lastTimestamp } = object as EventView;
  return series?.lastObservedTime ?? lastTimestamp ?? firstSeen(object);
}

export function eventCount(object: KubeObject): number {
  const { series, count } = object as EventView;
  return series?.count ?? (count || 1);
}

export function eventObject(object: KubeObject): string {
  const { kind = '', name: involved } = (object as EventView).involvedObject ?? {};
  return [kind.toLowerCase(), ...(involved ? [involved] : [])].join('/');
}

export function eventSource(object: KubeObject): string {
  const { source, reportingComponent, reportingInstance } = object as EventView;
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance;
  return [component, ...(host ? [host] : [])].join(', ');
}

export function wantedReplicas(object: KubeObject): number {
  return (object as ReplicasView).spec?.replicas ?? 1;
}

export function replicas(object: KubeObject, field: string): number {
  return (object as ReplicasView).status?.[field] ?? 0;
}

function isTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return (
    conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false
  );
}
