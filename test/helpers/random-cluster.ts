// SPDX-License-Identifier: Apache-2.0
// Random clusters for properties: few names, addresses and ports, so that everything meets everything. And
// the oracle: what the tables are to say about a cluster, written down anew and as plainly as possible.

import fc from 'fast-check';
import { familyOf, formatEndpoint } from '../../agent/model/address.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import type { EndpointSliceSpec, ObjectKey, ServiceSpec } from '../../agent/model/objects.ts';
import { keyOf, type PortText, service, slice } from './objects.ts';

/** One event of a watch. */
export type Change =
  | { readonly service: ServiceSpec }
  | { readonly slice: EndpointSliceSpec }
  | { readonly removedService: ObjectKey }
  | { readonly removedSlice: ObjectKey };

const SERVICES = ['a/p', 'a/q', 'b/p'] as const;
const SLICES = ['a/1', 'a/2', 'b/1'] as const;
const PORTS: readonly PortText[] = ['http/TCP:80', 'dns/UDP:53', 'dns/TCP:53', 'web/TCP:80'];
const ENDPOINT_PORTS: readonly PortText[] = [
  'http/TCP:8080',
  'http/TCP:9090',
  'dns/UDP:53',
  'dns/TCP:53',
  'web/TCP:8080',
];
const AGES = [undefined, '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'];
const CLUSTER_IPS = [
  ['10.96.0.1'],
  ['10.96.0.2'],
  ['10.96.0.1', 'fd00::1'],
  ['fd00::1', '10.96.0.2'],
];

const services = fc
  .record({
    key: fc.constantFrom(...SERVICES),
    clusterIPs: fc.constantFrom(...CLUSTER_IPS),
    ports: fc
      .subarray([...PORTS])
      .filter((ports) => !(ports.includes('http/TCP:80') && ports.includes('web/TCP:80'))),
    created: fc.constantFrom(...AGES),
  })
  .map(({ key, clusterIPs, ports, created }) => ({
    service: service(key, clusterIPs, ports, created),
  }));

const endpoints = fc.oneof(
  fc.uniqueArray(
    fc.nat(4).map((n) => `10.244.0.${n + 1}`),
    { minLength: 1, maxLength: 4 },
  ),
  fc.uniqueArray(
    fc.nat(2).map((n) => `fd01::${n + 1}`),
    { minLength: 1, maxLength: 2 },
  ),
);
const conditions = fc.constantFrom('', '', '', ' unready', ' terminating serving', ' terminating');

const slices = fc
  .record({
    key: fc.constantFrom(...SLICES),
    serviceName: fc.constantFrom('p', 'p', 'q'),
    ports: fc.subarray([...ENDPOINT_PORTS], { minLength: 1 }),
    endpoints: endpoints.chain((ips) =>
      fc.tuple(...ips.map((ip) => conditions.map((words) => ip + words))),
    ),
  })
  .map(({ key, serviceName, ports, endpoints }) => ({
    slice: slice(key, serviceName, ports, endpoints),
  }));

export const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: services },
  { weight: 6, arbitrary: slices },
  { weight: 1, arbitrary: fc.record({ removedService: fc.constantFrom(...SERVICES) }) },
  { weight: 1, arbitrary: fc.record({ removedSlice: fc.constantFrom(...SLICES) }) },
);

/** Changes as they come between two passes, for several passes. */
export const histories: fc.Arbitrary<Change[][]> = fc.array(
  fc.array(changes, { minLength: 1, maxLength: 4 }),
  { minLength: 1, maxLength: 6 },
);

export function tell(cluster: ClusterState, change: Change): void {
  if ('service' in change) cluster.upsertService(keyOf(change.service), { spec: change.service });
  else if ('slice' in change)
    cluster.upsertEndpointSlice(keyOf(change.slice), { spec: change.slice });
  else if ('removedService' in change) cluster.remove('Service', change.removedService);
  else cluster.remove('EndpointSlice', change.removedSlice);
}

/** What an agent hears that starts behind `history`: each object once, as it is now, in another order. */
export function clusterAfter(history: readonly (readonly Change[])[]): ClusterState {
  const cluster = new ClusterState();
  const latest = new Map(history.flat().map((change) => [objectOf(change), change]));
  for (const change of [...latest.values()].reverse()) tell(cluster, change);
  return cluster;
}

function objectOf(change: Change): string {
  if ('service' in change) return `Service ${keyOf(change.service)}`;
  if ('slice' in change) return `EndpointSlice ${keyOf(change.slice)}`;
  if ('removedService' in change) return `Service ${change.removedService}`;
  return `EndpointSlice ${change.removedSlice}`;
}

/** Rows as table-view.ts makes them of the tables, by what is dialled. */
export function expectedRows(cluster: ClusterState): Map<string, string> {
  const rows = new Map<string, string>();
  const byAge = [...cluster.services()]
    .map((key) => cluster.service(key) as ServiceSpec)
    .sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  for (const spec of byAge) {
    for (const ip of spec.clusterIPs) {
      for (const { name, protocol, port } of spec.ports) {
        const dialled = `${protocol} ${formatEndpoint(ip, port)}`;
        if (rows.has(dialled)) continue;
        const found = cluster
          .endpointSlices(keyOf(spec))
          .filter(({ addressType }) => addressType === familyOf(ip))
          .flatMap((of) =>
            of.ports
              .filter((p) => p.name === name && p.protocol === protocol)
              .flatMap((p) =>
                of.endpoints.map((e) => ({ ...e, at: formatEndpoint(e.address, p.port) })),
              ),
          );
        const isNew = ({ at, terminating }: (typeof found)[number]) =>
          !terminating || !found.some((other) => other.at === at && !other.terminating);
        const live = found.filter(isNew);
        const ready = live.filter((e) => e.ready);
        const usable = ready.length ? ready : live.filter((e) => e.serving && e.terminating);
        const backends = [...new Set(usable.map(({ at }) => at))].sort();
        rows.set(
          dialled,
          `${keyOf(spec)}:${name} ${dialled} -> ${backends.join(' ') || 'refused'}`,
        );
      }
    }
  }
  return new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function ageOf(spec: ServiceSpec): string {
  return `${spec.creationTimestamp ?? '~'} ${keyOf(spec)}`;
}
