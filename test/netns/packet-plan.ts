// SPDX-License-Identifier: Apache-2.0
// The number plan of a PacketNetwork and the iproute2 commands that make it. Addresses are those of IPv4;
// each has its twin (dual-stack.ts). Pure.
//
//   client ── router ──┬── node ── pods on veths of their own, and one behind a bridge
//            (MTU?)    └── other ── pods; by way of the nodes' network, or of a vxlan device on it
//
// The router sends to the node what is for Services, as a load balancer in front of the cluster would.

import {
  podAddresses,
  podCidrs,
  podCommands,
  podUplinkCommands,
  SERVICE_CIDRS,
} from '../lab/topology.ts';
import { inBothFamilies, twinOf } from './dual-stack.ts';

export const CLIENT = '198.51.100.2';
/** Of the same host. */
export const OTHER_CLIENT = '198.51.100.3';
export const NODE_IP = '192.0.2.11';
/** The node's on its second uplink, if it has one. */
export const SECOND_NODE_IP = '198.18.0.11';
export const OTHER_IP = '192.0.2.12';
/** Backends of the node, each with a device of its own. */
export const LOCAL_PODS: readonly string[] = [podOf(1, 2), podOf(1, 3)];
/** On the node, behind cni0. */
export const BRIDGED_POD = '10.244.3.2';
/** Backends of the other node. */
export const REMOTE_PODS: readonly string[] = [podOf(2, 2), podOf(2, 3)];
/** Every address in it is the Services', as load balancers and external addresses. */
export const EXTERNAL_CIDR = '203.0.113.0/24';

export const CLUSTER_CIDRS = ['10.244.0.0/16', 'fd00:10:244::/48'];

export interface PacketNetworkOptions {
  /** Of the path between the router and the node, and between the router and the client; both know 1,500. */
  readonly mtu?: number;
  /** The nodes reach each other's pods through a vxlan device. */
  readonly overlay?: boolean;
  /** The node has another uplink, by which it sends what is for the client. */
  readonly secondUplink?: boolean;
}

/** Namespaces by their place in the plan. */
export interface PlanNames {
  readonly client: string;
  readonly node: string;
  readonly other: string;
  /** Of the pod with that address. */
  readonly pod: (ipv4: string) => string;
}

const ROUTER_TO_CLIENT = '198.51.100.1';
export const ROUTER_TO_NODES = '192.0.2.1';
const ROUTER_TO_SECOND = '198.18.0.1';
const BRIDGE_GATEWAY = '10.244.3.1';
const BRIDGE_CIDR = '10.244.3.0/24';
/** Headers of vxlan over IPv4 (RFC 7348): 50 bytes. */
const OVERLAY_MTU = 1450;

export function routerCommands(names: PlanNames, options: PacketNetworkOptions): string[] {
  const { mtu, secondUplink } = options;
  const limit = mtu ? ` mtu lock ${mtu}` : '';
  const toNode = [
    SERVICE_CIDRS.ipv4,
    SERVICE_CIDRS.ipv6,
    ...cidrs(EXTERNAL_CIDR),
    ...Object.values(podCidrs(1)),
    ...cidrs(BRIDGE_CIDR),
  ];
  return [
    `link add clients type veth peer name eth0 netns ${names.client}`,
    'link add nodes type bridge mcast_snooping 0',
    `link add node type veth peer name eth0 netns ${names.node}`,
    `link add other type veth peer name eth0 netns ${names.other}`,
    'link set node master nodes up',
    'link set other master nodes up',
    ...up('clients', ROUTER_TO_CLIENT),
    ...up('nodes', ROUTER_TO_NODES),
    ...(secondUplink ? secondUplinkOfRouter(names.node) : []),
    ...toNode.map((cidr) => `route add ${cidr} via ${sameFamily(cidr, NODE_IP)}${limit}`),
    ...Object.values(podCidrs(2)).map(
      (cidr) => `route add ${cidr} via ${sameFamily(cidr, OTHER_IP)}`,
    ),
    // More specific than the networks themselves: what is routed to them must find the limit.
    ...(mtu
      ? [
          ...inBothFamilies(NODE_IP).map((ip) => `route add ${ip} dev nodes${limit}`),
          ...inBothFamilies(CLIENT, OTHER_CLIENT).map(
            (ip) => `route add ${ip} dev clients${limit}`,
          ),
        ]
      : []),
  ];
}

export function clientCommands(): string[] {
  return [...up('eth0', CLIENT, OTHER_CLIENT), ...defaultRoutes(ROUTER_TO_CLIENT)];
}

export function nodeCommands(names: PlanNames, options: PacketNetworkOptions): string[] {
  const { overlay = false, secondUplink } = options;
  return [
    ...up('eth0', NODE_IP),
    ...(secondUplink ? secondUplinkOfNode() : []),
    ...defaultRoutes(secondUplink ? ROUTER_TO_SECOND : ROUTER_TO_NODES),
    ...(overlay ? overlayCommands(1, NODE_IP, 2, OTHER_IP) : routesToPods(podCidrs(2), OTHER_IP)),
    ...LOCAL_PODS.flatMap((pod) => podUplinkCommands(1, indexOf(pod), names.pod(pod))),
    'link add cni0 type bridge mcast_snooping 0',
    ...up('cni0', BRIDGE_GATEWAY),
    `link add bridged type veth peer name eth0 netns ${names.pod(BRIDGED_POD)}`,
    'link set bridged master cni0 up',
  ];
}

export function otherCommands(names: PlanNames, { overlay }: PacketNetworkOptions): string[] {
  return [
    ...up('eth0', OTHER_IP),
    ...defaultRoutes(ROUTER_TO_NODES),
    ...(overlay ? overlayCommands(2, OTHER_IP, 1, NODE_IP) : routesToPods(podCidrs(1), NODE_IP)),
    ...cidrs(BRIDGE_CIDR).map((cidr) => `route add ${cidr} via ${sameFamily(cidr, NODE_IP)}`),
    ...REMOTE_PODS.flatMap((pod) => podUplinkCommands(2, indexOf(pod), names.pod(pod))),
  ];
}

/** To be run before {@link secondUplinkOfNode}. */
export function secondUplinkOfRouter(nodeNamespace: string): string[] {
  return [
    `link add second type veth peer name eth1 netns ${nodeNamespace}`,
    ...up('second', ROUTER_TO_SECOND),
  ];
}

export function secondUplinkOfNode(): string[] {
  return up('eth1', SECOND_NODE_IP);
}

/** Inside the pod with that address. */
export function commandsOfPod(ipv4: string): string[] {
  if (ipv4 === BRIDGED_POD) return [...up('eth0', ipv4), ...defaultRoutes(BRIDGE_GATEWAY)];
  return podCommands(LOCAL_PODS.includes(ipv4) ? 1 : 2, indexOf(ipv4));
}

/** What flannel makes: a device that knows the other node, and a route through an address behind it. */
function overlayCommands(own: number, ownIp: string, peer: number, peerIp: string): string[] {
  const gateway = (node: number) => podAddresses(node, 0);
  const mac = (node: number) => `02:00:00:00:00:0${node}`;
  return [
    `link add flannel.1 address ${mac(own)} mtu ${OVERLAY_MTU} type vxlan id 1 ` +
      `local ${ownIp} remote ${peerIp} dstport 8472 dev eth0`,
    `addr add ${gateway(own).ipv4}/32 dev flannel.1`,
    `addr add ${gateway(own).ipv6}/128 dev flannel.1 nodad`,
    'link set flannel.1 up',
    ...Object.values(gateway(peer)).map(
      (ip) => `neigh add ${ip} lladdr ${mac(peer)} dev flannel.1 nud permanent`,
    ),
    `route add ${podCidrs(peer).ipv4} via ${gateway(peer).ipv4} dev flannel.1 onlink`,
    `route add ${podCidrs(peer).ipv6} via ${gateway(peer).ipv6} dev flannel.1 onlink`,
  ];
}

function routesToPods({ ipv4, ipv6 }: ReturnType<typeof podCidrs>, gateway: string): string[] {
  return [`route add ${ipv4} via ${gateway}`, `route add ${ipv6} via ${twinOf(gateway)}`];
}

function up(device: string, ...addresses: readonly string[]): string[] {
  return [
    ...addresses.flatMap((ip) => [
      `addr add ${ip}/24 dev ${device}`,
      `addr add ${twinOf(ip)}/64 dev ${device} nodad`,
    ]),
    `link set ${device} up`,
  ];
}

function defaultRoutes(gateway: string): string[] {
  return [`route add default via ${gateway}`, `route add ::/0 via ${twinOf(gateway)}`];
}

/** A /24 and the /64 that its twin is in. */
export function cidrs(ipv4: string): string[] {
  const network = ipv4.slice(0, ipv4.lastIndexOf('.'));
  return [ipv4, `${twinOf(`${network}.`)}/64`];
}

function sameFamily(cidr: string, ipv4: string): string {
  return cidr.includes(':') ? twinOf(ipv4) : ipv4;
}

function podOf(node: number, index: number): string {
  return podAddresses(node, index).ipv4;
}

function indexOf(pod: string): number {
  return Number(pod.split('.')[3]);
}
