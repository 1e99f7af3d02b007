// SPDX-License-Identifier: Apache-2.0
// Gives the ports of masqueraded flows back, for `cleanup`. Which they are stands in the node's table, and nowhere
// else: to be called before the tables go, and after the programs that use the ports.

import { messageOf } from '../errors.ts';
import { formatPortRange, type PortRange } from '../model/port-ranges.ts';
import { readNode } from '../sys/datapath.ts';
import type { Pins } from '../sys/pins.ts';
import { releasePorts } from '../sys/reserved-ports.ts';
import { complain } from './terminal.ts';

/** @param proc a proc file system that may be written to. @returns what it took away, as text. */
export function releaseMasqueradePorts(pins: Pins, proc: string): string[] {
  const ports = masqueradePortsOf(pins);
  if (!ports) return [];
  try {
    const text = `${formatPortRange(ports)} from net.ipv4.ip_local_reserved_ports`;
    return releasePorts(ports, proc) ? [text] : [];
  } catch (error) {
    complain(`${formatPortRange(ports)} stay reserved: ${messageOf(error)}`);
    return [];
  }
}

/** @returns undefined when no agent of this version has written them. */
function masqueradePortsOf(pins: Pins): PortRange | undefined {
  const node = readNode(pins);
  if (!node?.masqueradePortCount) return undefined;
  return { first: node.masqueradeFirstPort, count: node.masqueradePortCount };
}
