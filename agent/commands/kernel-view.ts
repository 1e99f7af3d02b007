// SPDX-License-Identifier: Apache-2.0
// What the kernel holds now, with the Services' names: what `services`, `backends` and `status` show. Pure but for
// the reading of the tables.

import { familyOf, formatEndpoint } from '../model/address.ts';
import type { Balancing } from '../model/objects.ts';
import {
  type Backend,
  backendKey,
  distinctBackends,
  type Frontend,
  type FrontendKind,
  isDialled,
  type ServicePort,
} from '../model/service-port.ts';
import { frontendKindOf, frontendOf, servicePortOf } from '../reconcile/entries.ts';
import type { KernelTables } from '../reconcile/kernel-tables.ts';
import { FrontendFlags, type SlotRun } from '../sys/layout.gen.ts';

export interface FrontendView {
  readonly frontend: Frontend;
  /** undefined when the entry's id has no name. */
  readonly servicePort: ServicePort | undefined;
  readonly servicePortId: number;
  readonly kind: FrontendKind | undefined;
  readonly affinityTimeoutSeconds: number;
  readonly isRestricted: boolean;
  readonly balancing: Balancing;
  readonly inside: RouteView;
  readonly outside: RouteView;
}

/** Where a frontend leads clients inside the cluster, or the others. */
export interface RouteView {
  /** Each once. */
  readonly backends: readonly Backend[];
  /** More than there are backends where these are the places of a Maglev table. */
  readonly slots: number;
  /** What clients meet when there is no backend, as `explain` calls it. */
  readonly onEmpty: 'reject' | 'drop';
}

/**
 * Every frontend, ordered by Service and address. Reads frontends first and slots after: a run is left alone
 * for a second after it was unpublished, so what a frontend named is still there.
 */
export function frontendViews(tables: KernelTables): FrontendView[] {
  const frontends = tables.frontends.entries();
  const slots = tables.slots.read();
  const names = new Map(tables.servicePorts.entries());
  const route = ({ first, count }: SlotRun, drops: number): RouteView => ({
    backends: distinctBackends(slots.slice(first, first + count)),
    slots: count,
    onEmpty: drops ? 'drop' : 'reject',
  });
  const views = frontends.flatMap(([key, value]): FrontendView[] => {
    const frontend = frontendOf(key);
    if (!frontend) return [];
    const { servicePortId, flags, affinityTimeoutSeconds } = value;
    const name = names.get(servicePortId);
    return [
      {
        frontend,
        servicePort: name && servicePortOf(name),
        servicePortId,
        kind: frontendKindOf(value.kind),
        affinityTimeoutSeconds,
        isRestricted: (flags & FrontendFlags.RESTRICTED) !== 0,
        balancing: flags & FrontendFlags.MAGLEV ? 'maglev' : 'random',
        inside: route(value.inside, flags & FrontendFlags.DROPS_INSIDE),
        outside: route(value.outside, flags & FrontendFlags.DROPS_OUTSIDE),
      },
    ];
  });
  return views
    .map((view) => [sortKey(view), view] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, view]) => view);
}

export interface FrontendCounts {
  /** Without those that nobody dials. */
  readonly frontends: number;
  /** Of the frontends, those that have nothing for clients inside the cluster. */
  readonly rejecting: number;
  readonly dropping: number;
  /** Each address and port once, however many frontends lead there. */
  readonly backends: number;
}

export function countFrontends(views: readonly FrontendView[]): FrontendCounts {
  const routes = views.filter(({ kind }) => isDialled(kind)).map(({ inside }) => inside);
  const empty = routes.filter(({ backends }) => !backends.length);
  return {
    frontends: routes.length,
    rejecting: empty.filter(({ onEmpty }) => onEmpty === 'reject').length,
    dropping: empty.filter(({ onEmpty }) => onEmpty === 'drop').length,
    backends: new Set(routes.flatMap(({ backends }) => backends.map(backendKey))).size,
  };
}

/** Only the Services named `name` or `namespace/name`; all without a name. */
export function selectService(views: readonly FrontendView[], name?: string): FrontendView[] {
  return views.filter(({ servicePort }) => {
    if (name === undefined) return true;
    const service = servicePort?.service ?? '';
    return service === name || service.split('/')[1] === name;
  });
}

/** As clients dial it: `10.96.0.10:53`; `*:30053` on every address of the node. */
export function formatFrontend({ scope, address, port }: Frontend): string {
  if (scope === 'otherPorts') return formatEndpoint(address, '*');
  if (scope === 'echo') return address;
  return scope === 'node' ? `*:${port} (${familyOf(address)})` : formatEndpoint(address, port);
}

/** NAMESPACE, NAME and PORT cells. */
export function nameCells({ servicePort, servicePortId }: FrontendView): [string, string, string] {
  if (!servicePort) return ['?', `id ${servicePortId}`, '?'];
  const [namespace = '', name = ''] = servicePort.service.split('/');
  return [namespace, name, servicePort.portName || '-'];
}

function sortKey({ servicePort, frontend }: FrontendView): string {
  return `${servicePort?.service ?? ''} ${servicePort?.portName ?? ''} ${frontend.protocol} ${formatFrontend(frontend)}`;
}
