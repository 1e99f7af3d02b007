// SPDX-License-Identifier: Apache-2.0
// The network of `bench nodeport`, as addresses and iproute2 commands. Every way exists twice, side by side,
// through the same namespaces to the same servers: by devices with the agent's programs on them (served), and
// by devices without (plain). Pure.
//
//   client ══ node ══ other node     ══ is two veths, served and plain
//              │          │
//          local pod  remote pod
//
// The client has an address on each of its devices, and a pod one for each way to it: where a packet goes to
// decides by which devices it goes there and comes back.

import { type AddressPair, podAddresses, podCommands, podUplinkCommands } from '../lab/topology.ts';

export const WAYS = ['served', 'plain'] as const;
export type Way = (typeof WAYS)[number];

/** Where the backend is, as the node under test sees it. */
export const PLACES = ['local', 'remote'] as const;
export type BackendPlace = (typeof PLACES)[number];

export const FAMILIES = ['ipv4', 'ipv6'] as const;
export type Family = (typeof FAMILIES)[number];

/** Devices of the node that the agent is to serve. */
export const SERVED_DEVICES = ['client0', 'other0'];

/** Their names end in the way's number. */
const NUMBERS: Readonly<Record<Way, number>> = { served: 0, plain: 1 };
const NODES: Readonly<Record<BackendPlace, number>> = { local: 1, remote: 2 };
const POD = 2;

export interface Namespaces {
  readonly client: string;
  readonly node: string;
  readonly other: string;
  readonly pods: Readonly<Record<BackendPlace, string>>;
}

/** What the agent is told of pods. */
export const CLUSTER_CIDRS: AddressPair = { ipv4: '10.244.0.0/16', ipv6: 'fd00:10:244::/48' };

/** Of the node, towards the client by served devices: where the nodePorts are dialled. */
export const NODE_ADDRESSES: AddressPair = nodeToClient('served');

/** Where a backend is dialled without any Service; the served one is its pod's own. */
export function backendAddress(place: BackendPlace, way: Way): AddressPair {
  const own = podAddresses(NODES[place], POD);
  return way === 'served' ? own : { ipv4: twin(own.ipv4), ipv6: twin(own.ipv6) };
}

export function clientCommands({ node }: Namespaces): string[] {
  return WAYS.flatMap((way) => {
    const device = `node${NUMBERS[way]}`;
    return [
      ...link(device, `client${NUMBERS[way]}`, node),
      ...addresses(device, clientAddress(way)),
      ...addresses(device, directAddress(way)),
      ...onlink(nodeToClient(way), device, clientAddress(way)),
      ...PLACES.flatMap((place) =>
        route(backendAddress(place, way), nodeToClient(way), directAddress(way)),
      ),
    ];
  });
}

/** To be run after {@link clientCommands}. */
export function nodeCommands({ other, pods }: Namespaces): string[] {
  return [
    ...podUplinkCommands(NODES.local, POD, pods.local),
    ...onlink(backendAddress('local', 'plain'), `pod${POD}`),
    ...WAYS.flatMap((way) => [
      `link set client${NUMBERS[way]} up`,
      ...addresses(`client${NUMBERS[way]}`, nodeToClient(way)),
      ...link(`other${NUMBERS[way]}`, `node${NUMBERS[way]}`, other),
      ...addresses(`other${NUMBERS[way]}`, nodeToOther(way)),
      ...route(backendAddress('remote', way), otherAddress(way)),
    ]),
  ];
}

/** To be run after {@link nodeCommands}. */
export function otherCommands({ pods }: Namespaces): string[] {
  return [
    ...podUplinkCommands(NODES.remote, POD, pods.remote),
    ...onlink(backendAddress('remote', 'plain'), `pod${POD}`),
    ...WAYS.flatMap((way) => [
      `link set node${NUMBERS[way]} up`,
      ...addresses(`node${NUMBERS[way]}`, otherAddress(way)),
      ...route(directAddress(way), nodeToOther(way)),
    ]),
  ];
}

/** To be run last. */
export function backendCommands(place: BackendPlace): string[] {
  const { ipv4, ipv6 } = backendAddress(place, 'plain');
  return [
    ...podCommands(NODES[place], POD),
    `addr add ${ipv4}/32 dev eth0`,
    `addr add ${ipv6}/128 dev eth0 nodad`,
  ];
}

function clientAddress(way: Way): AddressPair {
  return inSubnet(way, 'client', 1);
}

/**
 * What the client has for connections without a Service: one to a backend is not to look like one through the
 * nodePort, which has the same addresses there, whatever ports the client's kernel gives them.
 */
function directAddress(way: Way): AddressPair {
  return inSubnet(way, 'client', 2);
}

function nodeToClient(way: Way): AddressPair {
  return inSubnet(way, 'client', 11);
}

function nodeToOther(way: Way): AddressPair {
  return inSubnet(way, 'other', 11);
}

function otherAddress(way: Way): AddressPair {
  return inSubnet(way, 'other', 12);
}

/** Subnets of what RFC 2544 and RFC 3849 leave for such things. */
function inSubnet(way: Way, towards: 'client' | 'other', host: number): AddressPair {
  const subnet = (towards === 'client' ? 10 : 20) + NUMBERS[way];
  return { ipv4: `198.18.${subnet}.${host}`, ipv6: `2001:db8:${subnet}::${host}` };
}

/** The address of a pod by the plain way: 10.245.1.2 for 10.244.1.2, fd00:10:245:1::2 for fd00:10:244:1::2. */
function twin(address: string): string {
  return address.replace('244', '245');
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

function onlink(to: AddressPair, device: string, source?: AddressPair): string[] {
  return [
    `route add ${to.ipv4} dev ${device}${from(source?.ipv4)}`,
    `route add ${to.ipv6} dev ${device}${from(source?.ipv6)}`,
  ];
}

function from(source: string | undefined): string {
  return source === undefined ? '' : ` src ${source}`;
}
