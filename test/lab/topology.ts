// SPDX-License-Identifier: Apache-2.0
// The lab's map: which addresses things have and the iproute2 commands that make it so. Pure.
//
//   fabric  a bridge with the API server, 192.0.2.1, and one port for each node; the router to the world
//   node N  uplink eth0 on the bridge, pods behind it on point-to-point veths
//   pod     eth0, everything by way of its node
//   outside eth0, everything by way of the fabric

import { familyOf, parseAddress } from '../../agent/model/address.ts';

/** An address of each family. */
export interface AddressPair {
  readonly ipv4: string;
  readonly ipv6: string;
}

export const SERVICE_CIDRS: AddressPair = { ipv4: '10.96.0.0/16', ipv6: 'fd00:10:96::/112' };

/** Where the fabric is reached, the API server included. */
export const FABRIC: AddressPair = { ipv4: '192.0.2.1', ipv6: '2001:db8:1::1' };

/** Addresses that a node can give to its pods: from 2, because 1 is the node's own. */
export const POD_INDEXES: readonly number[] = Array.from({ length: 253 }, (_, i) => i + 2);

export const FORWARDING = { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 };

/** A node forwards, and takes no packet whose source it has no route to: what systemd's sysctl.d/50-default.conf and Ubuntu set. */
export const NODE_SYSCTLS = { ...FORWARDING, 'net.ipv4.conf.all.rp_filter': 2 };

/** @param node 1 to 99. */
export function nodeAddresses(node: number): AddressPair {
  return { ipv4: `192.0.2.${100 + node}`, ipv6: `2001:db8:1::${100 + node}` };
}

/** Of somebody outside of the cluster; blocks for documentation (RFC 5737, RFC 3849). @param outsider 1 to 99. */
export function outsiderAddresses(outsider: number): AddressPair {
  return { ipv4: `203.0.113.${100 + outsider}`, ipv6: `2001:db8:2::${100 + outsider}` };
}

const OUTSIDE_GATEWAY: AddressPair = { ipv4: '203.0.113.1', ipv6: '2001:db8:2::1' };

export function podCidrs(node: number): AddressPair {
  return { ipv4: `10.244.${node}.0/24`, ipv6: `fd00:10:244:${node}::/64` };
}

export function podAddresses(node: number, pod: number): AddressPair {
  return { ipv4: `10.244.${node}.${pod}`, ipv6: `fd00:10:244:${node}::${pod.toString(16)}` };
}

export function fabricCommands(nodes: readonly { index: number; namespace: string }[]): string[] {
  return [
    'link add br0 type bridge mcast_snooping 0',
    'link set br0 up',
    `addr add ${FABRIC.ipv4}/24 dev br0`,
    `addr add ${FABRIC.ipv6}/64 dev br0 nodad`,
    ...nodes.flatMap(({ index, namespace }) => [
      `link add node${index} type veth peer name eth0 netns ${namespace}`,
      `link set node${index} master br0 up`,
      ...routesToPods(index),
    ]),
  ];
}

/** @param nodes all indexes, this node's too. To be run after {@link fabricCommands}. */
export function nodeCommands(node: number, nodes: readonly number[]): string[] {
  const own = nodeAddresses(node);
  const cidrs = podCidrs(node);
  return [
    'link set eth0 up',
    `addr add ${own.ipv4}/24 dev eth0`,
    `addr add ${own.ipv6}/64 dev eth0 nodad`,
    `route add default via ${FABRIC.ipv4}`,
    `route add ::/0 via ${FABRIC.ipv6}`,
    // A pod that is gone is unreachable at once, not chased between node and fabric until its TTL ends.
    `route add unreachable ${cidrs.ipv4}`,
    `route add unreachable ${cidrs.ipv6}`,
    ...nodes.filter((other) => other !== node).flatMap(routesToPods),
  ];
}

/** The node's side of a pod's veth. */
export function podUplinkCommands(node: number, pod: number, namespace: string): string[] {
  return uplinkCommands(podLink(pod), podAddresses(node, 1), podAddresses(node, pod), namespace);
}

export function podCommands(node: number, pod: number): string[] {
  return leafCommands(podAddresses(node, 1), podAddresses(node, pod));
}

/** The fabric's side of an outsider's veth. */
export function outsiderUplinkCommands(outsider: number, namespace: string): string[] {
  const own = outsiderAddresses(outsider);
  return uplinkCommands(`outside${outsider}`, OUTSIDE_GATEWAY, own, namespace);
}

export function outsiderCommands(outsider: number): string[] {
  return leafCommands(OUTSIDE_GATEWAY, outsiderAddresses(outsider));
}

/** For the fabric, which then takes `address` to a node, as a router does that was told so. @param node its index. */
export function routeCommand(address: string, node: number): string {
  const { ipv4, ipv6 } = nodeAddresses(node);
  const parsed = parseAddress(address);
  if (!parsed) throw new RangeError(`not an address: ${address}`);
  return `route replace ${address} via ${familyOf(parsed) === 'IPv4' ? ipv4 : ipv6}`;
}

function uplinkCommands(
  link: string,
  gateway: AddressPair,
  own: AddressPair,
  namespace: string,
): string[] {
  return [
    `link add ${link} type veth peer name eth0 netns ${namespace}`,
    `addr add ${gateway.ipv4}/32 dev ${link}`,
    `addr add ${gateway.ipv6}/128 dev ${link} nodad`,
    `link set ${link} up`,
    `route add ${own.ipv4}/32 dev ${link}`,
    `route add ${own.ipv6}/128 dev ${link}`,
  ];
}

/** A namespace with one link, and everything behind it. */
function leafCommands(gateway: AddressPair, own: AddressPair): string[] {
  return [
    'link set eth0 up',
    `addr add ${own.ipv4}/32 dev eth0`,
    `addr add ${own.ipv6}/128 dev eth0 nodad`,
    `route add ${gateway.ipv4} dev eth0 scope link`,
    `route add ${gateway.ipv6} dev eth0`,
    `route add default via ${gateway.ipv4} dev eth0`,
    `route add ::/0 via ${gateway.ipv6} dev eth0`,
  ];
}

function podLink(pod: number): string {
  return `pod${pod}`;
}

function routesToPods(node: number): string[] {
  const cidrs = podCidrs(node);
  const via = nodeAddresses(node);
  return [`route add ${cidrs.ipv4} via ${via.ipv4}`, `route add ${cidrs.ipv6} via ${via.ipv6}`];
}
