// SPDX-License-Identifier: Apache-2.0
// What the programs have counted of connections to service ports, for tests: by name, and only what is not zero.

import { servicePortKey } from '../../agent/model/service-port.ts';
import { counterOf } from '../../agent/plan/service-port-ids.ts';
import { servicePortOf } from '../../agent/reconcile/entries.ts';
import type { Tables } from '../../agent/sys/datapath.ts';
import { COUNT_FIELDS } from '../../agent/sys/service-counts.ts';

type Counts = Partial<Record<(typeof COUNT_FIELDS)[number], number>>;

export function readServiceCounts({
  serviceCounts,
  servicePorts,
}: Pick<Tables, 'serviceCounts' | 'servicePorts'>): Record<string, Counts> {
  const sums: number[] = [];
  for (const part of serviceCounts.read(serviceCounts.capacity, 1000)) sums.push(...part.sums);
  const counts: Record<string, Counts> = {};
  for (const [id, name] of servicePorts.entries()) {
    const servicePort = servicePortOf(name);
    const of: Counts = {};
    for (const [field, fieldName] of COUNT_FIELDS.entries()) {
      const count = sums[counterOf(id) * COUNT_FIELDS.length + field];
      if (count) of[fieldName] = count;
    }
    if (servicePort && Object.keys(of).length) counts[servicePortKey(servicePort)] = of;
  }
  return counts;
}
