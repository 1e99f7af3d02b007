// SPDX-License-Identifier: Apache-2.0
// What the agent's metrics say of the packet path: gathered from the tables and from the sweeper.

import type { Tables } from '../sys/datapath.ts';
import type { PacketTables } from '../sys/packet-tables.ts';
import type { PacketGauges } from '../telemetry/packet-metrics.ts';
import type { FlowSweeper } from './flow-sweeper.ts';

/** @param signal from then on no table is touched: they may be closed, and a scrape still under way. */
export function packetGauges(
  packetTables: PacketTables,
  { nodes }: Pick<Tables, 'nodes'>,
  sweeper: Pick<FlowSweeper, 'last' | 'swept'>,
  signal: AbortSignal,
): PacketGauges {
  const capacity = packetTables.flows.raw.maxEntries;
  /** What cannot be read is left out: the other metrics must not go with it. */
  const read = <T>(body: () => T, otherwise: T): T => {
    if (signal.aborted) return otherwise;
    try {
      return body();
    } catch {
      return otherwise;
    }
  };
  return {
    packets: () => read(() => packetTables.readCounts(), new Map()),
    flowTable: () => {
      const { last, swept } = sweeper;
      return {
        capacity,
        masqueradePorts: read(() => nodes.get(0)?.masqueradePortCount ?? 0, 0),
        swept: { time_over: swept.timeOver, backend_gone: swept.backendGone },
        lastSweep: last && { ...last, ageSeconds: (performance.now() - last.endedMs) / 1000 },
      };
    },
  };
}
