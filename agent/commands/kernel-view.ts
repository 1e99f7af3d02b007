// SPDX-License-Identifier: Apache-2.0
// What the kernel holds now, with the Services' names: the rows behind `services` and `backends`.

import { formatEndpoint } from '../model/address.ts';
import type { Backend, Frontend, ServicePort } from '../model/service-port.ts';
import { frontendOf, servicePortOf } from '../reconcile/entries.ts';
import type { KernelTables } from '../reconcile/kernel-tables.ts';

export interface FrontendView {
  readonly frontend: Frontend;
  /** undefined when the entry's id has no name. */
  readonly servicePort: ServicePort | undefined;
  readonly servicePortId: number;
  readonly backends: readonly Backend[];
}

/**
 * Every frontend, ordered by Service and address. Reads frontends first and slots after: a run is left alone
 * for a second after it was unpublished, so what a frontend named is still there.
 */
export function frontendViews(tables: KernelTables): FrontendView[] {
  const frontends = tables.frontends.entries();
  const slots = tables.slots.read();
  const names = new Map(tables.servicePorts.entries());
  const views = frontends.flatMap(([key, { servicePortId, backends: run }]) => {
    const frontend = frontendOf(key);
    if (!frontend) return [];
    const name = names.get(servicePortId);
    const backends = slots.slice(run.first, run.first + run.count);
    return [{ frontend, servicePort: name && servicePortOf(name), servicePortId, backends }];
  });
  return views
    .map((view) => [sortKey(view), view] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, view]) => view);
}

/** Only the Services named `name` or `namespace/name`; all without a name. */
export function selectService(views: readonly FrontendView[], name?: string): FrontendView[] {
  return views.filter(({ servicePort }) => {
    if (name === undefined) return true;
    const service = servicePort?.service ?? '';
    return service === name || service.split('/')[1] === name;
  });
}

export function formatFrontend({ address, port }: Frontend): string {
  return formatEndpoint(address, port);
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
