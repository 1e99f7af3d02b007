// SPDX-License-Identifier: Apache-2.0
// Settings of the host in whose way packets from outside are lost without a trace: no program sees or counts it, and
// none of them is the agent's to change. For `status`, of the network namespace that it runs in.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { familyOf, type IpAddress, type IpFamily, isLoopback } from '../model/address.ts';
import { formatPortRange, type PortRange } from '../model/port-ranges.ts';
import { arePortsReserved, RESERVED } from '../sys/reserved-ports.ts';

const FORWARDING: Readonly<Record<IpFamily, string>> = {
  IPv4: 'net.ipv4.ip_forward',
  IPv6: 'net.ipv6.conf.all.forwarding',
};

export interface HostFacts {
  /** Families that devices with programs have addresses of. */
  readonly families: readonly IpFamily[];
  readonly backends: Iterable<IpAddress>;
  readonly ownAddresses: readonly IpAddress[];
  /** undefined: none are set aside. */
  readonly masqueradePorts: PortRange | undefined;
}

/**
 * What an operator should act upon, with the cure.
 *
 * @param proc a proc file system.
 */
export function hostWarnings(facts: HostFacts, proc = '/proc'): string[] {
  const { families, masqueradePorts } = facts;
  const elsewhere = familiesElsewhere(facts);
  const warnings = families
    .filter((family) => elsewhere.has(family) && isOff(FORWARDING[family], proc))
    .map(
      (family) =>
        `${FORWARDING[family]} is 0: packets from outside do not reach backends that are not the node itself. ` +
        `Set it to 1 (sysctl -w ${FORWARDING[family]}=1)`,
    );
  if (families.length && masqueradePorts && !arePortsReserved(masqueradePorts, proc)) {
    const ports = formatPortRange(masqueradePorts);
    warnings.push(
      `ports ${ports} are not all in ${RESERVED}: the kernel may give one to a connection of the node, which ` +
        'then gets no answers. Add them there',
    );
  }
  return warnings;
}

/** Of backends to which packets must be sent on. */
function familiesElsewhere({ backends, ownAddresses }: HostFacts): Set<IpFamily> {
  const own = new Set(ownAddresses);
  const families = new Set<IpFamily>();
  for (const address of backends) {
    if (!isLoopback(address) && !own.has(address)) families.add(familyOf(address));
  }
  return families;
}

/** What cannot be read is not there: a kernel without IPv6. */
function isOff(sysctl: string, proc: string): boolean {
  try {
    return readFileSync(path.join(proc, 'sys', ...sysctl.split('.')), 'utf8').trim() === '0';
  } catch {
    return false;
  }
}
