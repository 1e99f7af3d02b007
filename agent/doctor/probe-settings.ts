// SPDX-License-Identifier: Apache-2.0
// Reads the settings of the host that packets of Services meet: for `status`, which asks for nothing else, and for the
// doctor. What cannot be read is left out, and not complained of.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  familyOf,
  type IpAddress,
  type IpFamily,
  isLoopback,
  unspecifiedAddress,
} from '../model/address.ts';
import type { Tables } from '../sys/datapath.ts';
import type { Node } from '../sys/layout.gen.ts';
import { readNodeAddresses } from '../sys/node-addresses.ts';
import { arePortsReserved } from '../sys/reserved-ports.ts';
import { attempt } from './attempt.ts';
import type { HostSettings } from './node-report.ts';

export interface SettingsOptions {
  /** A proc file system; its net.* are those of this process's network namespace. */
  readonly proc: string;
  /** undefined: no agent has been ready here. */
  readonly tables: Pick<Tables, 'frontends' | 'slots' | 'devices'> | undefined;
  readonly node: Node | undefined;
  /** Besides those that {@link HostSettings} is judged by. */
  readonly sysctls?: readonly string[];
}

const SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net.netfilter.nf_conntrack_count',
  'net.netfilter.nf_conntrack_max',
];

/** Never throws. */
export function probeSettings({ proc, tables, node, sysctls = [] }: SettingsOptions): HostSettings {
  const masqueradePorts = node?.masqueradePortCount
    ? { first: node.masqueradeFirstPort, count: node.masqueradePortCount }
    : undefined;
  return {
    sysctls: readSysctls(proc, [...SYSCTLS, ...sysctls]),
    forwards: tables ? attempt(() => forwardedFamilies(tables), []) : [],
    masqueradePorts,
    areMasqueradePortsReserved: !masqueradePorts || arePortsReserved(masqueradePorts, proc),
  };
}

/** A name of a device may have dots in it, so only what stands before and behind it is split. */
function readSysctls(proc: string, names: readonly string[]): Record<string, string> {
  const read = names.flatMap((name) => {
    const [, device] = name.match(/^net\.ipv4\.conf\.(.+)\.rp_filter$/) ?? [];
    const file = device === undefined ? name.split('.') : ['net/ipv4/conf', device, 'rp_filter'];
    const text = attempt(
      () => readFileSync(path.join(proc, 'sys', ...file), 'utf8').trim(),
      undefined,
    );
    return text === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(read);
}

/** Families of backends that packets must be sent on to, where there are devices by which they come. */
function forwardedFamilies({
  frontends,
  slots,
  devices,
}: Pick<Tables, 'frontends' | 'slots' | 'devices'>): IpFamily[] {
  const served = new Set(
    devices
      .entries()
      .flatMap(([, { ipv4, ipv6 }]) => [ipv4, ipv6].filter((a) => !isUnspecified(a)).map(familyOf)),
  );
  const own = new Set(readNodeAddresses());
  const families = new Set<IpFamily>();
  const backends = slots.read();
  for (const [, { inside, outside }] of frontends.entries()) {
    for (const { first, count } of [inside, outside]) {
      for (const { address } of backends.slice(first, first + count)) {
        if (!isLoopback(address) && !own.has(address)) families.add(familyOf(address));
      }
    }
  }
  return [...families].filter((family) => served.has(family)).sort();
}

function isUnspecified(address: IpAddress): boolean {
  return address === unspecifiedAddress(familyOf(address));
}
