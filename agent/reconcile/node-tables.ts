// SPDX-License-Identifier: Apache-2.0
// The small tables that say what the programs must know of the node: compared with what they are to hold and
// mended, each time as a whole. Knows nothing of Services.

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  prefixOf,
  unspecifiedAddress,
} from '../model/address.ts';
import {
  type NodeFacts,
  nodePortAddressesOf,
  servesLoopbackNodePorts,
} from '../model/node-facts.ts';
import type { PortRange } from '../model/port-ranges.ts';
import { type Node, NodeFlags, type Presence } from '../sys/layout.gen.ts';
import { KernelError } from '../sys/libbpf/kernel-error.ts';
import { LEFT_ALONE, PRESENT, prefixKey, prefixOfKey } from './entries.ts';
import type { KernelTables, Table } from './kernel-tables.ts';

/** What the programs are to know of the node. */
export interface NodeState {
  /** Of the network namespace that the node's addresses are in. */
  readonly netnsCookie: bigint;
  /** The node's first address of each family. */
  readonly nodeIPs: readonly IpAddress[];
  /** Where nodePorts are served. */
  readonly nodePortAddresses: readonly IpAddress[];
  readonly servesLoopbackNodePorts: boolean;
  readonly serviceCIDRs: readonly IpPrefix[];
  /** Addresses in them that another proxy serves. */
  readonly foreignAddresses: readonly IpAddress[];
  /** Where pods have their addresses. */
  readonly clusterCIDRs: readonly IpPrefix[];
  /** Source ports of masqueraded flows. */
  readonly masqueradePorts: PortRange;
  /** Another proxy's connections, which were there before, are to go on beside ours. */
  readonly isBeside: boolean;
}

/** What the programs are to know of a node of which this is known. */
export function nodeStateOf(
  facts: NodeFacts,
  foreignAddresses: readonly IpAddress[],
  netnsCookie: bigint,
  isBeside = false,
): NodeState {
  return {
    netnsCookie,
    nodeIPs: facts.nodeIPs,
    nodePortAddresses: nodePortAddressesOf(facts),
    servesLoopbackNodePorts: servesLoopbackNodePorts(facts),
    serviceCIDRs: facts.serviceCIDRs,
    foreignAddresses,
    clusterCIDRs: facts.clusterCIDRs,
    masqueradePorts: facts.masqueradePorts,
    isBeside,
  };
}

/** What the tables say of a node that its Node object and the ServiceCIDRs may say, too. */
export type ToldNode = Pick<NodeState, 'nodeIPs' | 'serviceCIDRs' | 'clusterCIDRs'>;

/** What an agent before has written. @returns undefined when it was none of this network namespace. */
export function readNode(
  { nodes, serviceCidrs, clusterCidrs }: KernelTables,
  netnsCookie: bigint,
): ToldNode | undefined {
  const [[, node] = []] = nodes.entries();
  if (node?.netnsCookie !== netnsCookie) return undefined;
  return {
    nodeIPs: [node.ipv4, node.ipv6].filter(
      (address) => address !== unspecifiedAddress(familyOf(address)),
    ),
    serviceCIDRs: serviceCidrs
      .entries()
      .filter(([, { present }]) => present === PRESENT.present)
      .map(([key]) => prefixOfKey(key)),
    clusterCIDRs: clusterCidrs.entries().map(([key]) => prefixOfKey(key)),
  };
}

export interface NodeReport {
  /** Table writes. */
  readonly steps: number;
  /** What was refused, each reason once: a full table refuses everything in the same words. */
  readonly failures: readonly string[];
}

export function reconcileNode(wanted: NodeState, tables: KernelTables): NodeReport {
  const reports = [
    attempt(() => reconcileEntry(wanted, tables.nodes)),
    attempt(() =>
      reconcileSet(
        importantFirst(wanted).map((address) => [{ address }, PRESENT]),
        ({ address }) => address,
        tables.nodePortAddresses,
      ),
    ),
    attempt(() => reconcileSet(serviceCidrEntries(wanted), prefixOfKey, tables.serviceCidrs)),
    attempt(() =>
      reconcileSet(
        wanted.clusterCIDRs.map((cidr) => [prefixKey(cidr), PRESENT]),
        prefixOfKey,
        tables.clusterCidrs,
      ),
    ),
  ];
  return {
    steps: reports.reduce((sum, { steps }) => sum + steps, 0),
    failures: [...new Set(reports.flatMap(({ failures }) => failures))],
  };
}

/** A table that the kernel does not let be read costs the others nothing. */
function attempt(reconcileOne: () => NodeReport): NodeReport {
  try {
    return reconcileOne();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return { steps: 0, failures: [error.message] };
  }
}

/** A device that another proxy left may hold more addresses than the table: the node's own must not wait behind. */
function importantFirst({ nodeIPs, nodePortAddresses }: NodeState): readonly IpAddress[] {
  const own = nodePortAddresses.filter((address) => nodeIPs.includes(address));
  return [...new Set([...own, ...nodePortAddresses])];
}

function reconcileEntry(wanted: NodeState, table: KernelTables['nodes']): NodeReport {
  const node: Node = {
    netnsCookie: wanted.netnsCookie,
    // Whoever has this written serves: it ends a draining, too.
    flags:
      (wanted.servesLoopbackNodePorts ? NodeFlags.LOOPBACK_NODE_PORTS : 0) |
      (wanted.isBeside ? NodeFlags.BESIDE : 0),
    ipv4: firstOf(wanted.nodeIPs, 'IPv4'),
    ipv6: firstOf(wanted.nodeIPs, 'IPv6'),
    masqueradeFirstPort: wanted.masqueradePorts.first,
    masqueradePortCount: wanted.masqueradePorts.count,
  };
  const [[, before] = []] = table.entries();
  if (before && isEqual(before, node)) return { steps: 0, failures: [] };
  return { steps: 1, failures: table.put([[0, node]]).map(({ error }) => error.message) };
}

function isEqual(a: Node, b: Node): boolean {
  return (
    a.netnsCookie === b.netnsCookie &&
    a.flags === b.flags &&
    a.ipv4 === b.ipv4 &&
    a.ipv6 === b.ipv6 &&
    a.masqueradeFirstPort === b.masqueradeFirstPort &&
    a.masqueradePortCount === b.masqueradePortCount
  );
}

/** Exceptions first: what another proxy serves must not lead nowhere meanwhile. */
function serviceCidrEntries({ serviceCIDRs, foreignAddresses }: NodeState) {
  return [
    ...foreignAddresses.map((address) => [prefixKey(prefixOf(address)), LEFT_ALONE] as const),
    ...serviceCIDRs.map((cidr) => [prefixKey(cidr), PRESENT] as const),
  ];
}

/** What comes is written before what goes: an address that changes hands is never missing. */
function reconcileSet<K>(
  wanted: readonly (readonly [K, Presence])[],
  idOf: (key: K) => string,
  table: Table<K, Presence>,
): NodeReport {
  const held = table.entries();
  const values = new Map(held.map(([key, value]) => [idOf(key), value.present]));
  const missing = wanted.filter(([key, value]) => values.get(idOf(key)) !== value.present);
  const present = new Map(held.map(([key]) => [idOf(key), key]));
  for (const [key] of wanted) present.delete(idOf(key));
  const refused = [...table.put(missing), ...table.delete([...present.values()])];
  return {
    steps: missing.length + present.size,
    failures: refused.map(({ error }) => error.message),
  };
}

function firstOf(addresses: readonly IpAddress[], family: IpFamily): IpAddress {
  return addresses.find((a) => familyOf(a) === family) ?? unspecifiedAddress(family);
}
