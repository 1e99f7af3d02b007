// SPDX-License-Identifier: Apache-2.0
// Names of the service ports that entries of the tables belong to, for `flows` and `affinity`.

import type { ServicePort } from '../model/service-port.ts';
import { NO_SERVICE_PORT } from '../plan/flow-life.ts';
import { servicePortOf } from '../reconcile/entries.ts';
import type { ServicePortName } from '../sys/layout.gen.ts';

/** Looks each id up once. @returns undefined for an id without a name. */
export function servicePortLookup(servicePorts: {
  get(id: number): ServicePortName | undefined;
}): (id: number) => ServicePort | undefined {
  const known = new Map<number, ServicePort | undefined>();
  return (id) => {
    if (!known.has(id)) {
      const name = servicePorts.get(id);
      known.set(id, name && servicePortOf(name));
    }
    return known.get(id);
  };
}

/** `default/quote:http`; without the port where it has no name. `-` is no Service's. */
export function servicePortText(servicePort: ServicePort | undefined, id: number): string {
  if (id === NO_SERVICE_PORT) return '-';
  if (!servicePort) return `id ${id}`;
  const { service, portName } = servicePort;
  return portName ? `${service}:${portName}` : service;
}

/** Whether `service` is what `wanted` asks for: a name, or namespace/name. Everything without one. */
export function isService(servicePort: ServicePort | undefined, wanted: string | undefined) {
  if (wanted === undefined) return true;
  const service = servicePort?.service ?? '';
  return service === wanted || service.split('/')[1] === wanted;
}
