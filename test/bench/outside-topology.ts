// SPDX-License-Identifier: Apache-2.0
// What lies outside of the benchmark's nodes, as addresses and iproute2 commands. Each node has a device of its own to
// the client and one to another node, with nothing in between: what is on the way for all arms dilutes what is
// measured. Pure.
//
//   outside ══ node 1 ══ other ── remote pod
//      ╚══════ node 2 ══════╝
//
// The client has two addresses on each device, and the remote pod one for each node: an address tells by which node
// packets go there and come back, and no two arms' connections look alike in the remote pod.

import {
  type AddressPair,
  nodeAddresses,
  podAddresses,
  podCommands,
  podUplinkCommands,
} from '../lab/topology.ts';

/** Of a node that is to be connected. */
export interface Neighbour {
  /** From 1 to 9. */
  readonly index: number;
  readonly namespace: string;
  /** Of the pod that is the backend on this node. */
  readonly server: AddressPair;
}

export interface OutsideNamespaces {
  readonly outside: string;
  readonly other: string;
  readonly remote: string;
}

/** Of the node behind the others, beyond those that the lab makes. */
const OTHER_INDEX = 90;
export const OTHER_NODE = `node-${OTHER_INDEX}`;
/** Pods have addresses from 2: the remote one's for node 1 is its own, the others are added to it. */
const FIRST_POD = 2;
const REMOTE_LINK = `pod${FIRST_POD}`;

/** Of the remote pod, as node `index` knows it. */
export function remoteAddresses(index: number): AddressPair {
  return podAddresses(OTHER_INDEX, FIRST_POD + index - 1);
}

/** For the client. */
export function outsideCommands(nodes: readonly Neighbour[]): string[] {
  return nodes.flatMap(({ index, namespace, server }) => {
    const device = `node${index}`;
    const [own, direct, node] = [clientAddress(index), directAddress(index), nodeToClient(index)];
    return [
      ...link(device, 'outside', namespace),
      ...addresses(device, own),
      ...addresses(device, direct),
      ...route(nodeAddresses(index), node, own),
      ...route(server, node, direct),
      ...route(remoteAddresses(index), node, direct),
    ];
  });
}

/** For node `index`. To be run after {@link outsideCommands}. */
export function stationCommands(index: number, { other }: OutsideNamespaces): string[] {
  return [
    'link set outside up',
    ...addresses('outside', nodeToClient(index)),
    ...link('other', `node${index}`, other),
    ...addresses('other', nodeToOther(index)),
    ...route(remoteAddresses(index), otherAddress(index)),
  ];
}

/** To be run after {@link stationCommands} of all nodes. */
export function otherCommands(indexes: readonly number[], { remote }: OutsideNamespaces): string[] {
  return [
    ...podUplinkCommands(OTHER_INDEX, FIRST_POD, remote),
    ...indexes.flatMap((index) => [
      `link set node${index} up`,
      ...addresses(`node${index}`, otherAddress(index)),
      ...route(directAddress(index), nodeToOther(index)),
      // Whichever of its addresses a proxy takes to masquerade with.
      ...route(nodeAddresses(index), nodeToOther(index)),
      ...(index === 1 ? [] : onlink(remoteAddresses(index), REMOTE_LINK)),
    ]),
  ];
}

/** To be run last. */
export function remoteCommands(indexes: readonly number[]): string[] {
  return [
    ...podCommands(OTHER_INDEX, FIRST_POD),
    ...indexes
      .filter((index) => index !== 1)
      .map(remoteAddresses)
      .flatMap(({ ipv4, ipv6 }) => [
        `addr add ${ipv4}/32 dev eth0`,
        `addr add ${ipv6}/128 dev eth0 nodad`,
      ]),
  ];
}

function clientAddress(index: number): AddressPair {
  return inSubnet(index, 'client', 1);
}

/**
 * What the client has for connections without a Service: one to a backend is not to look like one through the
 * nodePort, which has the same addresses there, whatever ports the client's kernel gives them.
 */
function directAddress(index: number): AddressPair {
  return inSubnet(index, 'client', 2);
}

function nodeToClient(index: number): AddressPair {
  return inSubnet(index, 'client', 11);
}

function nodeToOther(index: number): AddressPair {
  return inSubnet(index, 'other', 11);
}

function otherAddress(index: number): AddressPair {
  return inSubnet(index, 'other', 12);
}

/** Subnets of what RFC 2544 and RFC 3849 leave for such things. */
function inSubnet(index: number, towards: 'client' | 'other', host: number): AddressPair {
  const subnet = (towards === 'client' ? 10 : 20) + index;
  return { ipv4: `198.18.${subnet}.${host}`, ipv6: `2001:db8:${subnet}::${host}` };
}

function link(device: string, peer: string, namespace: string): string[] {
  return [
    `link add ${device} type veth peer name ${peer} netns ${namespace}`,
    `link set ${device} up`,
  ];
}

function addresses(device: string, { ipv4, ipv6 }: AddressPair): string[] {
  return [`addr add ${ipv4}/24 dev ${device}`, `addr add ${ipv6}/64 dev ${device} nodad`];
}

function route(to: AddressPair, via: AddressPair, source?: AddressPair): string[] {
  return [
    `route add ${to.ipv4} via ${via.ipv4}${from(source?.ipv4)}`,
    `route add ${to.ipv6} via ${via.ipv6}${from(source?.ipv6)}`,
  ];
}

function onlink(to: AddressPair, device: string): string[] {
  return [`route add ${to.ipv4} dev ${device}`, `route add ${to.ipv6} dev ${device}`];
}

function from(source: string | undefined): string {
  return source === undefined ? '' : ` src ${source}`;
}
