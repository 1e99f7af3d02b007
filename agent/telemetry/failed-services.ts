// SPDX-License-Identifier: Apache-2.0
// Which Services are not as they should be on this node: a series for each, as long as it is so. There may be thousands,
// when a table is full; so many have a series of their own, and the rest is counted.

import type { ObjectKey } from '../model/objects.ts';
import { Gauge, type Registry } from './prom-client.ts';

/** Services that have series of their own. */
const NAMED = 100;

/** @param failed those that failed first stand first. */
export function registerFailedServices(
  registry: Registry,
  failed: () => readonly ObjectKey[],
): void {
  const gauge: Gauge = new Gauge({
    name: 'signalbox_service_failed',
    help:
      '1 for each Service that waits for another attempt because a table write was refused. ' +
      `Beyond ${NAMED} of them the others are counted where namespace is "".`,
    labelNames: ['namespace', 'service'],
    registers: [registry],
    collect: () => {
      gauge.reset();
      const keys = failed();
      for (const key of keys.slice(0, NAMED)) {
        const [namespace = '', service = ''] = key.split('/');
        gauge.set({ namespace, service }, 1);
      }
      if (keys.length > NAMED) gauge.set({ namespace: '', service: '' }, keys.length - NAMED);
    },
  });
}
