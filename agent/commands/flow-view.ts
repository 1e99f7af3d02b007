// SPDX-License-Identifier: Apache-2.0
// Connections on the packet path as `signalbox flows` shows them: both entries of one put together. Pure but for the
// reading of the tables.

import { formatEndpoint, type IpAddress } from '../model/address.ts';
import { protocolName } from '../model/protocol.ts';
import type { ServicePort } from '../model/service-port.ts';
import { type FlowState, flowState, flowTimeoutSeconds, idleSeconds } from '../plan/flow-life.ts';
import { FlowFlags, type FlowKey, type FlowValue, type IpPort } from '../sys/layout.gen.ts';
import { formatDuration } from './duration.ts';
import { isService, servicePortText } from './port-names.ts';

/** What a flow must be; all of it. */
export interface FlowFilter {
  /** Name or namespace/name. */
  readonly service?: string | undefined;
  readonly client?: IpAddress | undefined;
  readonly backend?: IpAddress | undefined;
  readonly state?: FlowState | undefined;
}

export interface FlowView {
  /** undefined when the entry's id has no name. */
  readonly servicePort: ServicePort | undefined;
  readonly servicePortId: number;
  readonly protocol: string;
  readonly client: IpPort;
  readonly dialled: IpPort;
  readonly backend: IpPort;
  /** Who the backend hears. */
  readonly seenAs: IpPort;
  readonly state: FlowState;
  readonly idleSeconds: number;
  /** Below 0: its time is over, and the next sweep takes it. */
  readonly expiresInSeconds: number;
  /** Whose packets have an entry; those of the other are restored when they are used. */
  readonly entries: readonly ('request' | 'reply')[];
}

export interface FlowList {
  /** By Service, port, protocol and client. */
  readonly flows: readonly FlowView[];
  /** Of the table, whatever was asked for. */
  readonly entries: number;
}

/** What is known of a connection when one entry of it was read, or both. */
interface Found {
  readonly protocol: number;
  readonly client: IpPort;
  readonly dialled: IpPort;
  readonly backend: IpPort;
  readonly seenAs: IpPort;
  readonly servicePortId: number;
  flags: FlowFlags;
  lastUsedNs: bigint;
  hasRequest: boolean;
  hasReply: boolean;
}

/**
 * @param batches entries, read piece by piece: only what `filter` asks for is kept.
 * @param nowNs CLOCK_MONOTONIC.
 */
export function listFlows(
  batches: Iterable<readonly (readonly [FlowKey, FlowValue])[]>,
  nameOf: (servicePortId: number) => ServicePort | undefined,
  nowNs: bigint,
  filter: FlowFilter = {},
): FlowList {
  const found = new Map<string, Found>();
  let entries = 0;
  for (const batch of batches) {
    entries += batch.length;
    for (const [key, value] of batch) {
      if (value.flags & FlowFlags.FORWARDED) continue;
      const one = foundIn(key, value);
      if (isWanted(one, filter) && isService(nameOf(one.servicePortId), filter.service))
        merge(found, one);
    }
  }
  const views = found
    .values()
    .map((one) => viewOf(one, nameOf(one.servicePortId), nowNs))
    .filter(({ state }) => filter.state === undefined || state === filter.state)
    .map((view) => [sortKey(view), view] as const);
  const sorted = [...views].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { flows: sorted.map(([, view]) => view), entries };
}

export const FLOW_HEADS = [
  'SERVICE PORT',
  'PROTOCOL',
  'CLIENT',
  'DIALLED',
  'BACKEND',
  'SEEN AS',
  'STATE',
  'IDLE',
] as const;

export function flowCells(flow: FlowView): string[] {
  return [
    servicePortText(flow.servicePort, flow.servicePortId),
    flow.protocol,
    endpoint(flow.client),
    endpoint(flow.dialled),
    endpoint(flow.backend),
    isSeenAsItself(flow) ? '-' : endpoint(flow.seenAs),
    stateCell(flow),
    formatDuration(flow.idleSeconds),
  ];
}

/** The same for `-o json`. */
export function flowJson(flow: FlowView): object {
  const { servicePort, idleSeconds: idle, expiresInSeconds, servicePortId, ...rest } = flow;
  return {
    service: servicePort?.service ?? null,
    servicePort: servicePort?.portName ?? null,
    servicePortId,
    ...rest,
    isMasqueraded: flow.seenAs.address !== flow.client.address,
    idleSeconds: milliseconds(idle),
    expiresInSeconds: milliseconds(expiresInSeconds),
  };
}

/** `2 flows; 4 of 131072 entries in use` */
export function flowCountLine({ flows, entries }: FlowList, capacity: number): string {
  const count = `${flows.length} ${flows.length === 1 ? 'flow' : 'flows'}`;
  return `${count}; ${entries} of ${capacity} entries in use`;
}

function foundIn({ source, destination, protocol }: FlowKey, value: FlowValue): Found {
  const { servicePortId, flags, lastUsedNs } = value;
  const common = { protocol, servicePortId, flags, lastUsedNs };
  return flags & FlowFlags.REQUEST
    ? {
        ...common,
        client: source,
        dialled: destination,
        backend: value.destination,
        seenAs: value.source,
        hasRequest: true,
        hasReply: false,
      }
    : {
        ...common,
        client: value.destination,
        dialled: value.source,
        backend: source,
        seenAs: destination,
        hasRequest: false,
        hasReply: true,
      };
}

function isWanted({ client, backend }: Found, wanted: FlowFilter): boolean {
  return (
    (wanted.client === undefined || wanted.client === client.address) &&
    (wanted.backend === undefined || wanted.backend === backend.address)
  );
}

/** An entry that leads elsewhere is one of another flow: of one that was, whose other half has been replaced. */
function merge(found: Map<string, Found>, one: Found): void {
  const key = [one.client, one.dialled, one.backend, one.seenAs].map(endpoint).join(' ');
  const other = found.get(`${one.protocol} ${key}`);
  if (!other) {
    found.set(`${one.protocol} ${key}`, one);
    return;
  }
  other.flags |= one.flags;
  if (one.lastUsedNs > other.lastUsedNs) other.lastUsedNs = one.lastUsedNs;
  other.hasRequest ||= one.hasRequest;
  other.hasReply ||= one.hasReply;
}

function viewOf(one: Found, servicePort: ServicePort | undefined, nowNs: bigint): FlowView {
  const { protocol, flags, client, dialled, backend, seenAs, servicePortId } = one;
  const idle = idleSeconds(one.lastUsedNs, nowNs);
  return {
    servicePort,
    servicePortId,
    protocol: protocolName(protocol) ?? String(protocol),
    client,
    dialled,
    backend,
    seenAs,
    state: flowState(protocol, flags),
    idleSeconds: idle,
    expiresInSeconds: flowTimeoutSeconds(protocol, flags) - idle,
    entries: [
      ...(one.hasRequest ? ['request' as const] : []),
      ...(one.hasReply ? ['reply' as const] : []),
    ],
  };
}

function stateCell({ state, entries, expiresInSeconds }: FlowView): string {
  const notes = [
    ...(entries.length === 1 ? [`${entries[0]} only`] : []),
    ...(expiresInSeconds < 0 ? ['over'] : []),
  ];
  return notes.length ? `${state} (${notes.join(', ')})` : state;
}

function isSeenAsItself({ client, seenAs }: FlowView): boolean {
  return client.address === seenAs.address && client.port === seenAs.port;
}

function sortKey({ servicePort, servicePortId, protocol, client, dialled }: FlowView): string {
  const name = servicePortText(servicePort, servicePortId);
  const port = String(client.port).padStart(5, '0');
  return `${name} ${protocol} ${client.address} ${port} ${endpoint(dialled)}`;
}

function endpoint({ address, port }: IpPort): string {
  return formatEndpoint(address, port);
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
