// SPDX-License-Identifier: Apache-2.0
// Random connections in random clusters: from everywhere, to what Services claim and to what lies beside it.

import { isIPv4 } from 'node:net';
import fc from 'fast-check';
import { canonicalSloppily, familyOf } from './addresses.ts';
import type { Destination } from './oracle.ts';
import { ADDRESSES } from './places.ts';
import { clusters, nodeDescriptions } from './random-cluster.ts';
import type { Family, NodeDescription, Protocol, RawCluster } from './raw-objects.ts';

export interface Query {
  readonly from: string;
  readonly to: Destination;
}

export interface Case {
  readonly cluster: RawCluster;
  readonly node: NodeDescription;
  readonly queries: readonly Query[];
}

/** Numbers that become a query where the cluster is known: a cluster can shrink under them. */
const picks = fc.noBias(
  fc.record({
    from: fc.nat(1000),
    target: fc.nat(1000),
    other: fc.nat(1000),
    isMapped: fc.nat(20).map((n) => n === 20),
    /** Asked by a client of the other family. */
    isStrange: fc.nat(40).map((n) => n === 40),
    /** What of the target another one gives: a near miss, or all of it. */
    miss: fc.constantFrom<'none' | 'all' | keyof Destination>(
      ...(['none', 'none', 'none', 'none', 'none', 'none', 'none', 'none'] as const),
      ...(['address', 'port', 'protocol', 'all'] as const),
    ),
  }),
);
type Picked = typeof picks extends fc.Arbitrary<infer T> ? T : never;

/** Clusters, each with `count` connections. */
export function casesWith(count: number): fc.Arbitrary<Case> {
  return fc
    .record({
      cluster: clusters,
      node: nodeDescriptions,
      picked: fc.array(picks, { minLength: count, maxLength: count }),
    })
    .map(({ cluster, node, picked }) => {
      const targets = targetsIn(cluster, node);
      return { cluster, node, queries: picked.map((pick) => queryOf(pick, targets, node)) };
    });
}

function queryOf(pick: Picked, targets: Targets, node: NodeDescription): Query {
  const { claimed, others } = targets;
  const target = at(claimed.length > 0 ? claimed : others, pick.target);
  const other = at(others, pick.other);
  const to = {
    none: target,
    all: other,
    address: { ...target, address: other.address },
    port: { ...target, port: other.port },
    protocol: { ...target, protocol: other.protocol },
  }[pick.miss];
  const isIPv4Client = (familyOf(to.address) === 'IPv4') !== pick.isStrange;
  const from = at(clientsOf(isIPv4Client ? 'IPv4' : 'IPv6', node), pick.from);
  return pick.isMapped
    ? { from: mapped(from), to: { ...to, address: mapped(to.address) } }
    : { from, to };
}

/** An IPv4 address as an IPv6 socket knows it. */
function mapped(address: string): string {
  return isIPv4(address) ? `::ffff:${address}` : address;
}

function clientsOf(family: Family, { localAddresses }: NodeDescription): string[] {
  const { pods, otherPods, stranger, loopback, outside } = ADDRESSES[family];
  const own = localAddresses.filter((local) => familyOf(local) === family);
  return [
    ...['host', 'host', 'external', ...stranger, ...stranger, ...outside],
    ...[...pods, ...pods, ...otherPods, ...own, ...loopback],
  ];
}

interface Targets {
  /** What Services claim in their families, if they make sense. */
  readonly claimed: readonly Destination[];
  /** What they claim elsewhere, and a few places that none of them does. */
  readonly others: readonly Destination[];
}

function targetsIn({ services }: RawCluster, node: NodeDescription): Targets {
  const nodes = [...node.localAddresses, ...ADDRESSES.IPv4.loopback, ...ADDRESSES.IPv6.loopback];
  const claims = services.flatMap(({ spec, status }) => {
    const clusterIPs = [...(spec.clusterIPs ?? []), spec.clusterIP].flatMap(read);
    const families = clusterIPs.map(familyOf);
    const addresses = [
      ...clusterIPs,
      ...(spec.externalIPs ?? []).flatMap(read),
      ...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => read(ip)),
    ];
    const claim = (to: Destination) => ({
      to,
      isInFamily: families.includes(familyOf(to.address)),
    });
    return (spec.ports ?? []).flatMap((servicePort) => {
      const protocol = (servicePort.protocol ?? 'TCP') as Protocol;
      const port = servicePort.nodePort ?? 0;
      return [
        ...addresses.map((address) => claim({ protocol, port: servicePort.port, address })),
        ...nodes.map((address) => claim({ protocol, port, address })),
      ].filter(({ to }) => isDialled(to));
    });
  });
  const places = Object.values(ADDRESSES).flatMap((places) => Object.values(places).flat());
  return {
    claimed: claims.filter(({ isInFamily }) => isInFamily).map(({ to }) => to),
    others: [
      ...claims.map(({ to }) => to),
      ...places.map((address) => ({ protocol: 'TCP', port: 443, address }) as const),
    ],
  };
}

function read(text: unknown): string[] {
  return [canonicalSloppily(text)].filter((address) => address !== undefined);
}

/**
 * What is on packets. Ports and protocols that make no sense are in the objects alone, and 0.0.0.0 is only a word that
 * connect() has for loopback.
 */
function isDialled({ protocol, address, port }: Destination): boolean {
  return (
    ['TCP', 'UDP', 'SCTP'].includes(protocol) &&
    !['0.0.0.0', '::'].includes(address) &&
    Number.isInteger(port) &&
    port > 0 &&
    port < 65536
  );
}

function at<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}
