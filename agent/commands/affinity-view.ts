// SPDX-License-Identifier: Apache-2.0
// Clients that stay with one backend (sessionAffinity: ClientIP), as `signalbox affinity` shows them. Pure.

import { formatEndpoint, type IpAddress } from '../model/address.ts';
import type { ServicePort } from '../model/service-port.ts';
import { idleSeconds } from '../plan/flow-life.ts';
import {
  type AffinityKey,
  type AffinityValue,
  type FrontendKey,
  type FrontendValue,
  type IpPort,
  MemberFlags,
  type MemberKey,
  type MemberValue,
} from '../sys/layout.gen.ts';
import { formatDuration } from './duration.ts';
import { servicePortText } from './port-names.ts';

/** Whether new connections may go to a backend; `drains`: those that are there may stay, `no`: it is gone. */
export type BackendServes = 'yes' | 'drains' | 'no';

export interface AffinityView {
  /** Of a client that the packet path met; undefined for one that is known by its network namespace. */
  readonly address: IpAddress | undefined;
  /** 0 for a client that is known by its address. */
  readonly netnsCookie: bigint;
  /** Whether that is the node's own network namespace. */
  readonly isNode: boolean;
  readonly servicePort: ServicePort | undefined;
  readonly servicePortId: number;
  readonly backend: IpPort;
  readonly serves: BackendServes;
  /** Not more than 0: over. undefined: the Service has no session affinity any more. */
  readonly expiresInSeconds: number | undefined;
}

export interface AffinitySources {
  readonly affinities: Iterable<readonly [AffinityKey, AffinityValue]>;
  readonly frontends: Iterable<readonly [FrontendKey, FrontendValue]>;
  readonly nodeCookie: bigint | undefined;
  readonly nameOf: (servicePortId: number) => ServicePort | undefined;
  readonly memberOf: (key: MemberKey) => MemberValue | undefined;
  /** CLOCK_MONOTONIC. */
  readonly nowNs: bigint;
}

/** By Service, port and client. */
export function listAffinities(sources: AffinitySources): AffinityView[] {
  const { affinities, frontends, nodeCookie, nameOf, memberOf, nowNs } = sources;
  const timeouts = new Map<number, number>();
  for (const [, { servicePortId, affinityTimeoutSeconds }] of frontends) {
    if (affinityTimeoutSeconds) timeouts.set(servicePortId, affinityTimeoutSeconds);
  }
  const views: (readonly [string, AffinityView])[] = [];
  for (const [{ netnsCookie, source, servicePortId }, { backend, lastUsedNs }] of affinities) {
    const timeout = timeouts.get(servicePortId);
    const view = {
      address: netnsCookie ? undefined : source,
      netnsCookie,
      isNode: netnsCookie !== 0n && netnsCookie === nodeCookie,
      servicePort: nameOf(servicePortId),
      servicePortId,
      backend,
      serves: servesAs(memberOf({ servicePortId, backend })),
      expiresInSeconds:
        timeout === undefined ? undefined : timeout - idleSeconds(lastUsedNs, nowNs),
    };
    views.push([sortKey(view), view]);
  }
  return views.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, view]) => view);
}

export const AFFINITY_HEADS = [
  'CLIENT',
  'SERVICE PORT',
  'BACKEND',
  'SERVES',
  'EXPIRES IN',
] as const;

export function affinityCells(view: AffinityView): string[] {
  return [
    clientText(view),
    servicePortText(view.servicePort, view.servicePortId),
    formatEndpoint(view.backend.address, view.backend.port),
    view.serves,
    expiryText(view.expiresInSeconds),
  ];
}

/** The same for `-o json`. */
export function affinityJson(view: AffinityView): object {
  const { address, netnsCookie, isNode, servicePort, servicePortId, expiresInSeconds } = view;
  return {
    client: address !== undefined ? { address } : { netnsCookie: String(netnsCookie), isNode },
    service: servicePort?.service ?? null,
    servicePort: servicePort?.portName ?? null,
    servicePortId,
    backend: view.backend,
    serves: view.serves,
    expiresInSeconds:
      expiresInSeconds === undefined ? null : Math.round(expiresInSeconds * 1000) / 1000,
  };
}

function servesAs(member: MemberValue | undefined): BackendServes {
  if (!member) return 'no';
  return member.flags & (MemberFlags.IN_CLUSTER | MemberFlags.IN_LOCAL) ? 'yes' : 'drains';
}

function clientText({ address, netnsCookie, isNode }: AffinityView): string {
  if (address !== undefined) return address;
  return isNode ? 'this node' : `pod netns ${netnsCookie}`;
}

function expiryText(seconds: number | undefined): string {
  if (seconds === undefined) return '- (no session affinity)';
  return seconds > 0 ? formatDuration(seconds) : 'over';
}

function sortKey(view: AffinityView): string {
  const { servicePort, servicePortId, netnsCookie, address, backend } = view;
  const client = address ?? String(netnsCookie).padStart(20, '0');
  const to = formatEndpoint(backend.address, backend.port);
  return `${servicePortText(servicePort, servicePortId)} ${client} ${to}`;
}
