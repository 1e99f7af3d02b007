// SPDX-License-Identifier: Apache-2.0
// On which network devices packets to services are looked for, and why not on the others. Pure. Used by
// reconcile/packet-path.ts, and for `status`. kube-proxy serves a nodePort on any device, so one that may hear
// from outside is served unasked; those at which only pods of this node are heard are not.

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  prefixContains,
  prefixLength,
  prefixOf,
  specialUseOf,
} from './address.ts';

/** What a device's packets begin with. */
export type Framing = 'ethernet' | 'ip';

/** A device as the kernel tells of it (sys/network-devices.ts). */
export interface DeviceFacts {
  readonly ifindex: number;
  readonly name: string;
  /** What kind of virtual device it is: `veth`, `vxlan`, ...; '' for others. */
  readonly kind: string;
  /** What its packets begin with; undefined when that is something else. */
  readonly framing: Framing | undefined;
  readonly isLoopback: boolean;
  readonly isUp: boolean;
  /** The device that this one is a part of; 0 for none. */
  readonly master: number;
  readonly addresses: readonly {
    readonly address: IpAddress;
    readonly prefixLength: number;
    readonly isGlobal: boolean;
    readonly isPreferred: boolean;
  }[];
  readonly hasDefaultRoute: boolean;
}

/** What the choice depends on besides devices. */
export interface DeviceRules {
  /** Names, or beginnings of names with a `*` behind; undefined: what the rules below choose. */
  readonly devices: readonly string[] | undefined;
  /** The node's ends of pods' devices that are to be served too. */
  readonly podDevices: readonly string[];
  readonly nodeIPs: readonly IpAddress[];
  /** Where pods have their addresses. */
  readonly clusterCIDRs: readonly IpPrefix[];
}

/** Why a device is served: what comes in is from outside, or from a pod of this node. */
export type DeviceRole = 'outward' | 'pod';

/** Why a device is not served. */
export type UnservedReason =
  | 'loopback'
  | 'not named'
  | 'unknown framing'
  | 'part of another device'
  | 'nothing comes in'
  | 'pod side'
  | 'container bridge'
  | 'down'
  | 'no address';

export type DeviceChoice =
  | { readonly role: DeviceRole; readonly framing: Framing }
  | { readonly reason: UnservedReason };

/** Kinds by which nothing comes in from elsewhere. */
const IDLE_KINDS = new Set(['dummy', 'ifb', 'vrf', 'nlmon', 'vsockmon', 'vcan', 'vxcan', 'can']);

/** One end of two, the other of which may be a pod's. */
const POD_KINDS = new Set(['veth', 'netkit']);

/** Switches between devices of this host. */
const BRIDGE_KINDS = new Set(['bridge', 'openvswitch']);

/** What carries packets between nodes. */
const TUNNEL_KINDS = new Set([
  ...['vxlan', 'geneve', 'bareudp', 'gtp', 'wireguard', 'tun', 'xfrm', 'vti', 'vti6', 'amneziawg'],
  ...['gre', 'gretap', 'ip6gre', 'ip6gretap', 'erspan', 'ip6erspan', 'ipip', 'sit', 'ip6tnl'],
]);

/** @param all the devices of the node, `device` among them. */
export function chooseDevice(
  device: DeviceFacts,
  all: readonly DeviceFacts[],
  rules: DeviceRules,
): DeviceChoice {
  const { framing } = device;
  if (device.isLoopback) return { reason: 'loopback' };
  const isPods = isNamed(device, rules.podDevices);
  const isAsked = isPods || (rules.devices !== undefined && isNamed(device, rules.devices));
  if (!isAsked) {
    const reason = rules.devices ? 'not named' : whyNotUnasked(device, all, rules);
    if (reason) return { reason };
  }
  if (framing === undefined) return { reason: 'unknown framing' };
  return { role: isPods ? 'pod' : 'outward', framing };
}

/** Names of {@link DeviceRules.devices} that no device has; what ends with `*` may name none. */
export function missingDevices(
  all: readonly DeviceFacts[],
  { devices = [] }: Pick<DeviceRules, 'devices'>,
): string[] {
  return unnamed(all, devices);
}

/** The same of {@link DeviceRules.podDevices}: CNI plugins make a bridge for the first pod. */
export function awaitedDevices(
  all: readonly DeviceFacts[],
  { podDevices }: Pick<DeviceRules, 'podDevices'>,
): string[] {
  return unnamed(all, podDevices);
}

function unnamed(all: readonly DeviceFacts[], patterns: readonly string[]): string[] {
  const names = new Set(all.map(({ name }) => name));
  return patterns.filter((pattern) => !pattern.endsWith('*') && !names.has(pattern));
}

/**
 * What packets that leave by a device are masqueraded with, one address of each family at most: the node's own when
 * the device carries it, else the first that new connections may come from, as the kernel takes it. A device that
 * is served and has none gets the node's own, or what the node has elsewhere, as the kernel does it, too
 * (inet_select_addr, ipv6_dev_get_saddr).
 */
export function masqueradeAddresses(
  device: DeviceFacts,
  choice: DeviceChoice,
  all: readonly DeviceFacts[],
  { nodeIPs }: Pick<DeviceRules, 'nodeIPs'>,
): IpAddress[] {
  const own = sourcesOf(device);
  const isOutward = 'role' in choice && choice.role === 'outward';
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const address = pick(own, family, nodeIPs);
    if (address !== undefined || !isOutward) return address ?? [];
    return pick(all.flatMap(sourcesOf), family, nodeIPs) ?? [];
  });
}

/** Reads what `--devices` takes: names with commas between them. */
export function parseDeviceNames(text: string): string[] | { readonly invalid: string } {
  const names = text.split(',').flatMap((word) => word.trim() || []);
  const wrong = names.find((name) => !/^[^\s/*]{0,15}\*?$/.test(name));
  if (wrong === undefined) return names;
  return {
    invalid: `${wrong} is no name of a device, as eth0, nor the beginning of one, as veth*`,
  };
}

function whyNotUnasked(
  device: DeviceFacts,
  all: readonly DeviceFacts[],
  rules: DeviceRules,
): UnservedReason | undefined {
  const { kind, hasDefaultRoute } = device;
  if (IDLE_KINDS.has(kind)) return 'nothing comes in';
  if (isPart(device, all)) return 'part of another device';
  if (hasDefaultRoute) return undefined;
  const global = device.addresses.filter(isGlobal);
  if (global.some(({ address }) => rules.nodeIPs.includes(address))) return undefined;
  if (BRIDGE_KINDS.has(kind)) return 'container bridge';
  // A tap is a virtual machine's end of a device, as a veth is a pod's.
  const isTap = kind === 'tun' && device.framing === 'ethernet';
  if (POD_KINDS.has(kind) || isTap) {
    const isUplink = global.some((address) => !isOfPods(address, rules.clusterCIDRs));
    return isUplink ? undefined : 'pod side';
  }
  if (TUNNEL_KINDS.has(kind)) return device.isUp ? undefined : 'down';
  return global.length ? undefined : 'no address';
}

/** What its packets belong to is another device, where they are met. In a VRF a device stays one of its own. */
function isPart({ master }: DeviceFacts, all: readonly DeviceFacts[]): boolean {
  return master !== 0 && all.find(({ ifindex }) => ifindex === master)?.kind !== 'vrf';
}

/** Pods' gateways are single addresses, or lie where pods have theirs. */
function isOfPods(
  { address, prefixLength: length }: DeviceFacts['addresses'][number],
  clusterCIDRs: readonly IpPrefix[],
): boolean {
  return (
    length === prefixLength(prefixOf(address)) ||
    clusterCIDRs.some((prefix) => prefixContains(prefix, address))
  );
}

function isGlobal({ address, isGlobal: isTold }: DeviceFacts['addresses'][number]): boolean {
  return isTold && specialUseOf(address) === undefined;
}

function sourcesOf({ addresses }: DeviceFacts): IpAddress[] {
  return addresses
    .filter((entry) => entry.isPreferred && isGlobal(entry))
    .map(({ address }) => address);
}

function pick(
  addresses: readonly IpAddress[],
  family: IpFamily,
  nodeIPs: readonly IpAddress[],
): IpAddress | undefined {
  const ofFamily = addresses.filter((address) => familyOf(address) === family);
  return ofFamily.find((address) => nodeIPs.includes(address)) ?? ofFamily[0];
}

function isNamed({ name }: DeviceFacts, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}
