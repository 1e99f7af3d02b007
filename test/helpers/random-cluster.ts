// SPDX-License-Identifier: Apache-2.0
// Random clusters for properties of the tables: few names, addresses and ports, so that everything meets
// everything. What is right about a single cluster is the business of scenarios and of test/oracle.

import fc from 'fast-check';
import type { IpAddress, IpPrefix } from '../../agent/model/address.ts';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import type {
  Balancing,
  EndpointSliceSpec,
  ObjectKey,
  ServiceSpec,
} from '../../agent/model/objects.ts';
import { type NodeView, Reconciler } from '../../agent/reconcile/reconciler.ts';
import { FakeTables } from './fake-tables.ts';
import { keyOf, type PortText, type ServicePortText, service, slice } from './objects.ts';
import { SILENT } from './silent-observer.ts';
import { frontendRows } from './table-view.ts';

/** One event of a watch. */
export type Change =
  | { readonly service: ServiceSpec }
  | { readonly slice: EndpointSliceSpec }
  | { readonly removedService: ObjectKey }
  | { readonly removedSlice: ObjectKey };

export const SERVICES = ['a/p', 'a/q', 'b/p'] as const;
export const SLICES = ['a/1', 'a/2', 'b/1'] as const;
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
    nodePort: fc.constantFrom(0, 0, 30080, 30081),
    more: fc.record({
      externalIPs: fc.constantFrom<IpAddress[][]>([], [], ips('192.0.2.1'), ips('10.96.0.2')),
      loadBalancerIPs: fc.constantFrom<IpAddress[][]>([], [], ips('192.0.2.2'), ips('192.0.2.1')),
      loadBalancerSourceRanges: fc.constantFrom<IpPrefix[][]>(
        [],
        prefixes('10.0.0.0/8'),
        prefixes('10.0.0.0/8', '172.16.0.0/12', 'fd00::/8'),
        prefixes('172.16.0.0/12'),
      ),
      internalTrafficPolicy: fc.constantFrom('Cluster', 'Cluster', 'Local'),
      externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
      affinityTimeoutSeconds: fc.constantFrom(0, 0, 10, 10800),
      balancing: seldom<Balancing>('random', 'maglev'),
    }),
  })
  .map(({ key, clusterIPs, ports, created, nodePort, more }) => {
    const withNodePort = ports.map(
      (port, i): ServicePortText => (i === 0 && nodePort ? `${port} ${nodePort}` : port),
    );
    return { service: service(key, clusterIPs, withNodePort, created, more) };
  });

function ips(...texts: string[]): IpAddress[] {
  return texts as IpAddress[];
}

function prefixes(...texts: string[]): IpPrefix[] {
  return texts as IpPrefix[];
}

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
const conditions = fc
  .tuple(
    fc.constantFrom('', '', '', ' unready', ' terminating serving', ' terminating'),
    fc.constantFrom('', ' on:a', ' on:b'),
    fc.constantFrom('', '', ' for:zone-a', ' for:zone-b'),
  )
  .map((words) => words.join(''));

/** The node on which the tables are. Its zone is not always known. */
export const nodes: fc.Arbitrary<() => NodeView> = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c'),
    zone: fc.constantFrom('', 'zone-a', 'zone-b'),
    nodeIPs: fc.constantFrom(ips(), ips('10.1.1.1'), ips('172.16.0.1', 'fd00::9')),
  })
  .map((traits) => {
    const view: NodeView = { traits, state: undefined };
    return () => view;
  });

const slices = fc
  .record({
    key: fc.constantFrom(...SLICES),
    serviceName: fc.constantFrom('p', 'p', 'q'),
    ports: fc.subarray([...ENDPOINT_PORTS], { minLength: 1 }),
    endpoints: endpoints.chain((ips) =>
      fc.tuple(...ips.map((ip) => conditions.map((words) => ip + words))),
    ),
    weight: seldom<number | undefined>(undefined, 0, 3),
  })
  .map(({ key, serviceName, ports, endpoints, weight }) => ({
    slice: {
      ...slice(key, serviceName, ports, endpoints),
      ...(weight === undefined ? {} : { weight }),
    },
  }));

/** Tables take hundreds of slots, and each write of one is looked at. */
function seldom<T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight: 19, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

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

/** The rows of an agent that starts behind `history`, as table-view.ts makes them. */
export async function freshRows(
  history: readonly (readonly Change[])[],
  node: () => NodeView,
): Promise<Map<string, string>> {
  const tables = new FakeTables();
  await new Reconciler(clusterAfter(history), tables, SILENT, node).reconcileAll();
  return frontendRows(tables);
}
