// SPDX-License-Identifier: Apache-2.0
// How full tables are that have a bound of their own. Read by probe.ts; there is no number to ask for, so that entries
// are counted.

import type { Tables } from '../sys/datapath.ts';
import type { RawMap } from '../sys/libbpf/map.ts';
import { openPacketTables } from '../sys/packet-tables.ts';
import type { Pins } from '../sys/pins.ts';
import { attempt } from './attempt.ts';
import type { TableReport } from './node-report.ts';

/** Entries read at a time. */
const BATCH = 4096;

/** Those that cannot be read are left out. Never throws. */
export function probeTables(
  pins: Pins,
  { frontends, members, sourceRanges, servicePorts }: Tables,
): TableReport[] {
  const named = { frontends, members, source_ranges: sourceRanges, service_ports: servicePorts };
  const fills = Object.entries(named).flatMap(([table, { raw }]) =>
    attempt(() => [fillOf(table, raw)], []),
  );
  const ofFlows = attempt(() => {
    const tables = openPacketTables(pins);
    try {
      return [fillOf('flows', tables.flows.raw)];
    } finally {
      tables.close();
    }
  }, []);
  return [...fills, ...ofFlows];
}

function fillOf(table: string, map: RawMap): TableReport {
  let entries = 0;
  for (const { count } of map.batches(BATCH)) entries += count;
  return { table, entries, capacity: map.maxEntries };
}
