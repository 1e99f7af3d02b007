// SPDX-License-Identifier: Apache-2.0
// The packet path's devices: looks at those of the node, writes what the programs must know of them, and has
// the programs on those that are chosen and on no others. Each look compares with what the kernel has and
// mends it; one device that refuses does not keep the others.

import { messageOf } from '../errors.ts';
import { familyOf, type IpAddress, type IpFamily, unspecifiedAddress } from '../model/address.ts';
import {
  awaitedDevices,
  chooseDevice,
  type DeviceChoice,
  type DeviceFacts,
  type DeviceRules,
  type Framing,
  masqueradeAddresses,
  missingDevices,
} from '../model/device-choice.ts';
import { type Device, DeviceFlags } from '../sys/layout.gen.ts';
import type { TcMechanism } from '../sys/packet-programs.ts';
import type { Table } from './kernel-tables.ts';

/** What it takes of the kernel; sys/packet-programs.ts has the real one. */
export interface DevicePrograms {
  /** Puts our programs on a device, or finds them there. @throws Error when the device refuses. */
  attach(device: DeviceFacts, framing: Framing): TcMechanism;
  /** Takes them off all other devices, and off these where they are tied to them in another way. */
  detachOthers(kept: ReadonlyMap<number, TcMechanism | 'either'>): void;
}

/** A device, and what was made of it. */
export interface DeviceReport {
  readonly ifindex: number;
  readonly name: string;
  readonly choice: DeviceChoice;
  /** How the programs are tied to it; undefined when they are not. */
  readonly attached?: TcMechanism;
  /** What packets that leave by it are masqueraded with. */
  readonly masqueradeAddresses: readonly IpAddress[];
  /** Why it is not served although it is chosen. */
  readonly problem?: string;
}

export interface PacketPathReport {
  readonly devices: readonly DeviceReport[];
  /** Names that were given and that no device has. */
  readonly missing: readonly string[];
  /** Named devices of pods, which may come with the first pod. */
  readonly awaited: readonly string[];
  /** What concerns no single device, each reason once. */
  readonly problems: readonly string[];
}

/**
 * Makes the kernel have what the rules say of `devices`. Never throws for one device. May be interrupted where it
 * yields: to tie a program to a device by TCX takes the kernel a grace period, 13 ms here, and a node may have
 * hundreds of pods' devices.
 */
export function* reconcilePacketPath(
  devices: readonly DeviceFacts[],
  rules: DeviceRules,
  table: Table<number, Device>,
  programs: DevicePrograms,
): Generator<void, PacketPathReport> {
  const planned = devices.map((device) => {
    const choice = chooseDevice(device, devices, rules);
    const addresses = device.isLoopback ? [] : masqueradeAddresses(device, choice, devices, rules);
    return { device, choice, addresses };
  });
  const wanted = new Map(
    planned
      .filter(({ choice, addresses }) => 'role' in choice || addresses.length > 0)
      .map(({ device, choice, addresses }) => [device.ifindex, entryOf(choice, addresses)]),
  );
  const held = new Map(table.entries());
  const problems = put(wanted, held, table);

  const kept = new Map<number, TcMechanism | 'either'>();
  const reports: DeviceReport[] = [];
  for (const { device, choice, addresses } of planned) {
    const { ifindex, name } = device;
    const report = { ifindex, name, choice, masqueradeAddresses: addresses };
    if (!('role' in choice)) {
      reports.push(report);
      continue;
    }
    yield;
    try {
      const attached = programs.attach(device, choice.framing);
      kept.set(ifindex, attached);
      reports.push({ ...report, attached });
    } catch (error) {
      // What an earlier run left there is better than nothing.
      kept.set(ifindex, 'either');
      reports.push({ ...report, problem: messageOf(error) });
    }
  }
  try {
    programs.detachOthers(kept);
  } catch (error) {
    problems.push(messageOf(error));
  }
  // Last, as programs ask for it as long as they are there.
  const gone = [...held.keys()].filter((ifindex) => !wanted.has(ifindex));
  problems.push(...table.delete(gone).map(({ error }) => error.message));
  return {
    devices: reports,
    missing: missingDevices(devices, rules),
    awaited: awaitedDevices(devices, rules),
    problems: unique(problems),
  };
}

/**
 * Without devices that refused because they went meanwhile, as pods' do all the time. Pure.
 *
 * @param now the devices after {@link reconcilePacketPath}.
 */
export function withoutGone(
  report: PacketPathReport,
  now: readonly Pick<DeviceFacts, 'ifindex'>[],
): PacketPathReport {
  const there = new Set(now.map(({ ifindex }) => ifindex));
  const devices = report.devices.filter(
    ({ ifindex, problem }) => problem === undefined || there.has(ifindex),
  );
  return { ...report, devices };
}

function put(
  wanted: ReadonlyMap<number, Device>,
  held: ReadonlyMap<number, Device>,
  table: Table<number, Device>,
): string[] {
  const changed = [...wanted].filter(([ifindex, entry]) => {
    const before = held.get(ifindex);
    return !before || !isEqual(before, entry);
  });
  return table.put(changed).map(({ error }) => error.message);
}

function entryOf(choice: DeviceChoice, addresses: readonly IpAddress[]): Device {
  const ofFamily = (family: IpFamily) =>
    addresses.find((address) => familyOf(address) === family) ?? unspecifiedAddress(family);
  const isServed = 'role' in choice;
  const isPods = isServed && choice.role === 'pod';
  return {
    flags: (isServed ? DeviceFlags.SERVED : 0) | (isPods ? DeviceFlags.OF_POD : 0),
    ipv4: ofFamily('IPv4'),
    ipv6: ofFamily('IPv6'),
  };
}

function isEqual(a: Device, b: Device): boolean {
  return a.flags === b.flags && a.ipv4 === b.ipv4 && a.ipv6 === b.ipv6;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
