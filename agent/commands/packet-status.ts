// SPDX-License-Identifier: Apache-2.0
// The packet path in `signalbox status`: connections by protocol, how full their table is, what was dropped and why.
// Read from the kernel, agent or not. Pure but for the reading.

import type { FlowTotals } from '../plan/flow-census.ts';
import { countFlows } from '../reconcile/flow-sweep.ts';
import type { PacketTables } from '../sys/packet-tables.ts';

export interface PacketStatus extends FlowTotals {
  readonly capacity: number;
  /** Source ports that masqueraded connections to one backend may use. */
  readonly masqueradePorts: number;
  /** By outcome, in the words of docs/packet-counters.md; only what happened. */
  readonly packets: Readonly<Record<string, number>>;
}

const DROPPED = 'dropped_';
const PORTS_EXHAUSTED = 'dropped_masquerade_ports_exhausted';

export function readPacketStatus(tables: PacketTables, masqueradePorts: number): PacketStatus {
  const packets = [...tables.readCounts()].filter(([, count]) => count > 0);
  return {
    ...toTheEnd(countFlows(tables)),
    capacity: tables.flows.raw.maxEntries,
    masqueradePorts,
    packets: Object.fromEntries(packets),
  };
}

/** Labels and texts of the lines that `status` shows. */
export function packetStatusLines(status: PacketStatus): [string, string][] {
  const byProtocol = new Map<string, number>();
  for (const { protocol, flows } of status.flows)
    byProtocol.set(protocol, (byProtocol.get(protocol) ?? 0) + flows);
  const flows = [...byProtocol].map(([protocol, count]) => `${count} ${protocol}`).join(', ');
  const dropped = Object.entries(status.packets)
    .filter(([outcome]) => outcome.startsWith(DROPPED))
    .map(([outcome, count]) => `${count} ${outcome.slice(DROPPED.length)}`);
  return [
    ['Flows', `${flows || 'none'}; ${status.entries} of ${status.capacity} entries`],
    ...(dropped.length ? [['Dropped', `packets: ${dropped.join(', ')}`] as [string, string]] : []),
    ...packetWarnings(status).map((text): [string, string] => ['Warning', text]),
  ];
}

/** What an operator should act upon, with the cure. It may be over: the counter is as old as the tables. */
function packetWarnings({
  packets,
  masqueradePorts,
  masqueradePortsInUse,
}: PacketStatus): string[] {
  const exhausted = packets[PORTS_EXHAUSTED] ?? 0;
  if (!exhausted) return [];
  return [
    `${exhausted} packets of new connections were dropped because all source ports towards their backend were in use ` +
      `(now at most ${masqueradePortsInUse} of ${masqueradePorts}). Give the Service more endpoints, set ` +
      'externalTrafficPolicy: Local, which needs no such ports, or give the agent a wider --masquerade-ports',
  ];
}

function toTheEnd<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}
