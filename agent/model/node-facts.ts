// SPDX-License-Identifier: Apache-2.0
// What decisions depend on besides Services and their slices: the node's name, zone and addresses, and what
// was configured about it. Pure. Used by the agent for its tables and by explain.ts, so that both see one node.
// What the command line says wins over what the Node object says.

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  isLoopback,
  LOOPBACK_ADDRESSES,
  parsePrefix,
  prefixAddress,
  prefixContains,
  prefixFamily,
} from './address.ts';
import type { NodeTraits } from './endpoint-selection.ts';
import type { NodeSpec, ServiceCidrSpec } from './objects.ts';
import type { PortRange } from './port-ranges.ts';

/**
 * On which of the node's addresses nodePorts are served: its node IPs, or those in prefixes. A family of which
 * no prefix is here is served on all of its addresses (semantics 1.9): an empty list is all, kube-proxy's default in
 * iptables mode (1.18).
 */
export type NodePortAddresses = 'primary' | readonly IpPrefix[];

/** What the command line, or a configuration file, says of the node. */
export interface NodeConfig {
  readonly nodeName: string;
  /** Empty, or without one of a family: the Node object's counts. */
  readonly nodeIPs: readonly IpAddress[];
  /** Empty: the Node object's podCIDRs count. */
  readonly clusterCIDRs: readonly IpPrefix[];
  /** Empty: the ServiceCIDR objects count. */
  readonly serviceCIDRs: readonly IpPrefix[];
  /** The only ranges in which externalIPs of Services are served; absent: any. */
  readonly externalIpCidrs?: readonly IpPrefix[];
  readonly nodePortAddresses: NodePortAddresses;
  /** Absent: yes, where `nodePortAddresses` takes loopback in. */
  readonly localhostNodePorts?: boolean;
  readonly masqueradeAll: boolean;
  /** Source ports of masqueraded flows. */
  readonly masqueradePorts: PortRange;
}

export interface NodeFacts extends NodeTraits {
  /** Every address that packets to it end here, but for loopback. */
  readonly localAddresses: ReadonlySet<IpAddress>;
  readonly nodePortAddresses: NodePortAddresses;
  /** false: on no loopback address, whatever `nodePortAddresses` says. */
  readonly localhostNodePorts?: boolean;
  /** Where pods have their addresses; a family of which none is here has no detector (semantics 1.7). */
  readonly clusterCIDRs: readonly IpPrefix[];
  /** What clusterIPs are taken from. */
  readonly serviceCIDRs: readonly IpPrefix[];
  /** Whether all traffic to clusterIPs gets an address of the node as its source. */
  readonly masqueradeAll: boolean;
  /** Source ports of masqueraded flows. */
  readonly masqueradePorts: PortRange;
}

/** Which kind of client an address is, as the rules tell them apart (semantics 1.7). */
export type Origin = 'pod' | 'host' | 'external';

/** @param node the Node object of this node, as soon as it is known. */
export function nodeFacts(
  config: NodeConfig,
  node: NodeSpec | undefined,
  serviceCidrs: readonly ServiceCidrSpec[],
  localAddresses: Iterable<IpAddress>,
): NodeFacts {
  const { nodePortAddresses, localhostNodePorts = true, masqueradeAll, masqueradePorts } = config;
  return {
    name: config.nodeName.trim().toLowerCase(),
    zone: node?.zone ?? '',
    nodeIPs: firstOfEachFamily([...config.nodeIPs, ...(node?.addresses ?? [])]),
    localAddresses: new Set(localAddresses),
    nodePortAddresses,
    ...(!localhostNodePorts && { localhostNodePorts }),
    clusterCIDRs: config.clusterCIDRs.length ? config.clusterCIDRs : (node?.podCIDRs ?? []),
    serviceCIDRs: config.serviceCIDRs.length
      ? config.serviceCIDRs
      : serviceCidrs.flatMap(({ cidrs }) => cidrs),
    masqueradeAll,
    masqueradePorts,
  };
}

/**
 * Reads what `--nodeport-addresses` takes: CIDRs with commas between them, or `primary` alone.
 * Nothing is all addresses.
 */
export function parseNodePortAddresses(
  text: string,
): NodePortAddresses | { readonly invalid: string } {
  const words = text.split(',').flatMap((word) => word.trim() || []);
  if (words.includes('primary')) {
    return words.length === 1 ? 'primary' : { invalid: 'primary must stand alone' };
  }
  const prefixes: IpPrefix[] = [];
  for (const word of words) {
    const prefix = parsePrefix(word);
    if (prefix === undefined) {
      return { invalid: `${word} is no CIDR, as 192.0.2.0/24, and not the word primary` };
    }
    prefixes.push(prefix);
  }
  return prefixes;
}

/** The addresses on which nodePorts are served to everybody: never loopback. */
export function nodePortAddressesOf(
  facts: Pick<NodeFacts, 'localAddresses' | 'nodePortAddresses' | 'nodeIPs'>,
): IpAddress[] {
  const { nodePortAddresses: rule, nodeIPs, localAddresses } = facts;
  return [...localAddresses].filter((address) => {
    if (isLoopback(address)) return false;
    if (rule === 'primary') return nodeIPs.includes(address);
    const family = familyOf(address);
    const prefixes = rule.filter((prefix) => prefixFamily(prefix) === family);
    return !prefixes.length || prefixes.some((prefix) => prefixContains(prefix, address));
  });
}

/**
 * Whether nodePorts are served on loopback addresses, to the node itself alone. One answer for both families,
 * as the kernel has it: yes by default, else only when a CIDR takes in a loopback address (semantics 1.9, 1.18).
 */
export function servesLoopbackNodePorts({
  nodePortAddresses: rule,
  localhostNodePorts = true,
}: Pick<NodeFacts, 'nodePortAddresses' | 'localhostNodePorts'>): boolean {
  if (rule === 'primary' || !localhostNodePorts) return false;
  return rule.length === 0 || rule.some(touchesLoopback);
}

/** Whether the rules can tell a pod of `family` by its address alone. */
export function hasDetector({ clusterCIDRs }: NodeFacts, family: IpFamily): boolean {
  return clusterCIDRs.some((prefix) => prefixFamily(prefix) === family);
}

/** What the detector says of `address`. */
export function isInClusterCidr({ clusterCIDRs }: NodeFacts, address: IpAddress): boolean {
  return clusterCIDRs.some((prefix) => prefixContains(prefix, address));
}

/**
 * Which kind of client `address` is. Where no CIDR tells (kube-proxy then takes pods for outsiders, which find
 * nothing behind externalTrafficPolicy Local on a node without endpoints: kubernetes#131765), an endpoint of
 * this node is a pod: the programs know it by its socket, or by its device.
 */
export function originOf(
  facts: NodeFacts,
  endpointsOnThisNode: { has(address: IpAddress): boolean },
  address: IpAddress,
): Origin {
  if (isLoopback(address) || facts.localAddresses.has(address)) return 'host';
  const isPod = hasDetector(facts, familyOf(address))
    ? isInClusterCidr(facts, address)
    : endpointsOnThisNode.has(address);
  return isPod ? 'pod' : 'external';
}

function touchesLoopback(prefix: IpPrefix): boolean {
  return (
    isLoopback(prefixAddress(prefix)) ||
    LOOPBACK_ADDRESSES.some((address) => prefixContains(prefix, address))
  );
}

function firstOfEachFamily(addresses: readonly IpAddress[]): IpAddress[] {
  const families = new Set<IpFamily>();
  return addresses.filter((address) => {
    const family = familyOf(address);
    return !families.has(family) && families.add(family);
  });
}
