// SPDX-License-Identifier: Apache-2.0
// The ports of masqueraded flows, kept from everything else in this network namespace by
// net.ipv4.ip_local_reserved_ports (of both families): the kernel gives none of them to a socket that does not ask
// for it by name. What others have reserved stays. Remembers nothing: what is there is read each time.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import {
  containsPorts,
  formatPortList,
  formatPortRange,
  type PortRange,
  parsePortList,
  portsOutside,
  withoutPorts,
  withPorts,
} from '../model/port-ranges.ts';
import type { Logger } from '../telemetry/log.ts';

/** Fewer are too few for the connections that a node opens itself. */
const ENOUGH_PORTS = 4096;

const RESERVED = 'net.ipv4.ip_local_reserved_ports';
const LOCAL = 'net.ipv4.ip_local_port_range';

/**
 * Before the first flow is masqueraded. Never throws: a port that a socket of the node has too is lost to one of the
 * two, now and then.
 *
 * @param proc a proc file system: whose network namespace it shows is that of this process, wherever it is mounted.
 * @returns whether they are reserved now.
 */
export function reservePorts(range: PortRange, proc: string, log: Logger): boolean {
  const ports = formatPortRange(range);
  try {
    const reserved = readPorts(proc);
    if (!containsPorts(reserved, range)) {
      writePorts(proc, withPorts(reserved, range));
      log.info({ ports }, 'reserved the ports of masqueraded flows');
    }
    warnOfFewPorts(range, proc, log);
    return true;
  } catch (error) {
    log.warn(
      {
        ports,
        error: messageOf(error),
        hint: `add ${ports} to the sysctl ${RESERVED} of the host, or mount its /proc/sys for writing`,
      },
      'cannot reserve the ports of masqueraded flows: the kernel may give one to a connection of the node',
    );
    return false;
  }
}

/** What cannot be read is not reserved. */
export function arePortsReserved(range: PortRange, proc = '/proc'): boolean {
  try {
    return containsPorts(readPorts(proc), range);
  } catch {
    return false;
  }
}

/**
 * Takes just these ports out again, if all of them are there: else they were not reserved by {@link reservePorts}.
 *
 * @returns whether it did. @throws when the list cannot be written.
 */
export function releasePorts(range: PortRange, proc = '/proc'): boolean {
  const reserved = readPorts(proc);
  if (!containsPorts(reserved, range)) return false;
  writePorts(proc, withoutPorts(reserved, range));
  return true;
}

function warnOfFewPorts(range: PortRange, proc: string, log: Logger): void {
  const [first = 0, last = 0] = readFileSync(fileOf(proc, LOCAL), 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  const left = portsOutside({ first, count: last - first + 1 }, readPorts(proc));
  if (left >= ENOUGH_PORTS) return;
  log.warn(
    {
      left,
      localPorts: `${first}-${last}`,
      masqueradePorts: formatPortRange(range),
      hint: `widen ${LOCAL}, or choose other ports with --masquerade-ports`,
    },
    'few ports are left for connections that the node opens itself',
  );
}

function readPorts(proc: string): PortRange[] {
  return parsePortList(readFileSync(fileOf(proc, RESERVED), 'utf8'));
}

/** The kernel takes the whole list in place of the one before. */
function writePorts(proc: string, ranges: readonly PortRange[]): void {
  writeFileSync(fileOf(proc, RESERVED), `${formatPortList(ranges)}\n`);
}

function fileOf(proc: string, sysctl: string): string {
  return path.join(proc, 'sys', ...sysctl.split('.'));
}
