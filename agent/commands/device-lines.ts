// SPDX-License-Identifier: Apache-2.0
// How `status` tells of the packet path's devices: what the kernel has on them, and what the agent makes of
// them, when there is one. Pure, but for reading the kernel's side in deviceStates().

import { unspecifiedAddress } from '../model/address.ts';
import type { UnservedReason } from '../model/device-choice.ts';
import type { Tables } from '../sys/datapath.ts';
import { type Device, DeviceFlags } from '../sys/layout.gen.ts';
import { readNetworkDevices } from '../sys/network-devices.ts';
import { packetAttachments, type TcMechanism } from '../sys/packet-programs.ts';
import type { Pins } from '../sys/pins.ts';
import type { DeviceStatus } from '../telemetry/status.ts';

/** A device on which programs are, or of which they know something. */
export interface DeviceState {
  readonly ifindex: number;
  readonly name: string;
  /** How the programs are tied to it; undefined when none are. */
  readonly attached?: TcMechanism;
  /** Ids of the programs; 0 for none. */
  readonly ingress: number;
  readonly egress: number;
  /** Whether what comes in is a pod's. */
  readonly isOfPod: boolean;
  /** What packets that leave by it are masqueraded with. */
  readonly ipv4?: string;
  readonly ipv6?: string;
}

const REASONS: Readonly<Record<UnservedReason, string>> = {
  loopback: 'loopback',
  'not named': 'not among --devices',
  'unknown framing': 'its packets begin with neither an Ethernet nor an IP header',
  'part of another device': 'part of another device, where its packets are met',
  'nothing comes in': 'of a kind by which nothing comes in',
  'pod side': 'a pod’s or virtual machine’s (--pod-devices would serve it)',
  'container bridge': 'a bridge without default route and node IP',
  down: 'a tunnel that is down',
  'no address': 'no default route and no global address',
};

/** How many devices that are left out for one reason are named. */
const NAMED = 8;

/** What the kernel has: of devices of this network namespace. */
export function deviceStates(pins: Pins, tables: Pick<Tables, 'devices'>): DeviceState[] {
  const attached = packetAttachments(pins);
  const known = new Map(tables.devices.entries());
  const names = new Map(readNetworkDevices().map(({ ifindex, name }) => [ifindex, name]));
  return [...new Set([...attached.keys(), ...known.keys()])]
    .sort((a, b) => a - b)
    .map((ifindex) => {
      const { mechanism, ingress = 0, egress = 0 } = attached.get(ifindex) ?? {};
      return {
        ifindex,
        name: names.get(ifindex) ?? `device ${ifindex}`,
        ...(mechanism && { attached: mechanism }),
        ingress,
        egress,
        ...knownOf(known.get(ifindex)),
      };
    });
}

/** What is not as it should be. @param agent what the agent has made of them; undefined without an agent. */
export function deviceProblems(
  kernel: readonly DeviceState[],
  agent: readonly DeviceStatus[] | undefined,
): string[] {
  const halves = kernel
    .filter(({ attached, ingress, egress }) => attached && !(ingress && egress))
    .map(
      ({ name, ingress }) => `no ${ingress ? 'egress' : 'ingress'} program is on device ${name}`,
    );
  const served = new Set(kernel.filter(({ attached }) => attached).map(({ ifindex }) => ifindex));
  const missing = (agent ?? [])
    .filter(({ ifindex, role, problem }) => role && problem === undefined && !served.has(ifindex))
    .map(({ name }) => `no program is on device ${name}`);
  return [...halves, ...missing];
}

/** A line for each device that is served or should be; the others by the reason why they are not. */
export function deviceLines(
  kernel: readonly DeviceState[],
  agent: readonly DeviceStatus[] | undefined,
): string[] {
  const states = new Map(kernel.map((state) => [state.ifindex, state]));
  if (!agent) {
    return kernel.filter(({ attached }) => attached).map((state) => lineOf(state.name, state));
  }
  const served = agent.filter(({ role }) => role);
  const reasons = Map.groupBy(
    agent.filter(({ role, reason }) => !role && reason !== 'loopback'),
    ({ reason = '' }) => reason,
  );
  return [
    ...served.map((device) => lineOf(device.name, states.get(device.ifindex), device)),
    ...[...reasons].map(([reason, devices]) => {
      const names = devices.map(({ name }) => name);
      const others = names.length - NAMED;
      const named = others > 1 ? [...names.slice(0, NAMED), `${others} others`] : names;
      return `not ${named.join(', ')}: ${REASONS[reason as UnservedReason] ?? reason}`;
    }),
  ];
}

function lineOf(name: string, state: DeviceState | undefined, device?: DeviceStatus): string {
  if (device?.problem !== undefined) return `${name}: not served: ${device.problem}`;
  const addresses = [state?.ipv4, state?.ipv6].flatMap((address) => address ?? []);
  return [
    `${name}: ${(device?.role ?? (state?.isOfPod ? 'pod' : 'outward')) === 'pod' ? 'of a pod' : 'outward'}`,
    ...(device?.framing ? [device.framing === 'ip' ? 'IP' : 'Ethernet'] : []),
    state?.attached ?? 'no programs',
    addresses.length ? `masquerades as ${addresses.join(' and ')}` : 'no address to masquerade as',
  ].join(', ');
}

function knownOf(entry: Device | undefined): Pick<DeviceState, 'isOfPod' | 'ipv4' | 'ipv6'> {
  if (!entry) return { isOfPod: false };
  return {
    isOfPod: (entry.flags & DeviceFlags.OF_POD) !== 0,
    ...(entry.ipv4 !== unspecifiedAddress('IPv4') && { ipv4: entry.ipv4 }),
    ...(entry.ipv6 !== unspecifiedAddress('IPv6') && { ipv6: entry.ipv6 }),
  };
}
