// SPDX-License-Identifier: Apache-2.0
// Metrics of the packet path: what became of packets, as the programs count it, and the flow table as the last sweep
// found it. Declared here, read at every scrape. Names and labels never change: somebody's alerts are made of them.

import { Counter, Gauge, type Registry } from './prom-client.ts';

export interface PacketGauges {
  /** By outcome, in the words of docs/packet-counters.md. Empty when it cannot be read. */
  readonly packets: () => ReadonlyMap<string, number>;
  readonly flowTable: () => FlowTableGauges;
}

export interface FlowTableGauges {
  readonly capacity: number;
  /** Source ports that masqueraded connections to one backend may use. */
  readonly masqueradePorts: number;
  /** Entries that sweeps took away, by why. */
  readonly swept: Readonly<Record<string, number>>;
  /** undefined before the first one. */
  readonly lastSweep: LastSweep | undefined;
}

/** As long as there is nothing to read. */
export const NO_PACKETS: PacketGauges = {
  packets: () => new Map(),
  flowTable: () => ({ capacity: 0, masqueradePorts: 0, swept: {}, lastSweep: undefined }),
};

export interface LastSweep {
  readonly ageSeconds: number;
  readonly entries: number;
  readonly flows: readonly {
    readonly protocol: string;
    readonly state: string;
    readonly flows: number;
  }[];
  readonly masqueradePortsInUse: number;
}

export function registerPacketMetrics(registry: Registry, gauges: PacketGauges): void {
  const registers = [registry];
  const packets: Counter = new Counter({
    name: 'signalbox_packets_total',
    help:
      'Packets that met the programs on network devices, by outcome. Of passed, request_*, reply_*, refused_* and ' +
      'dropped_* each packet has one; flow_*, source_port_changed and *_fragment come on top. ' +
      'docs/packet-counters.md says of each what it means and what to do.',
    labelNames: ['outcome'],
    registers,
    collect: () => {
      packets.reset();
      for (const [outcome, count] of gauges.packets()) packets.inc({ outcome }, count);
    },
  });
  const swept: Counter = new Counter({
    name: 'signalbox_flow_entries_swept_total',
    help:
      'Entries that the agent took from the flow table: time_over, nothing had used them for long enough; ' +
      'backend_gone, the UDP backend they led to no longer serves.',
    labelNames: ['reason'],
    registers,
    collect: () => {
      swept.reset();
      for (const [reason, count] of Object.entries(gauges.flowTable().swept))
        swept.inc({ reason }, count);
    },
  });
  const flows: Gauge = new Gauge({
    name: 'signalbox_flows',
    help: 'Connections from outside that are being translated, at the last sweep.',
    labelNames: ['protocol', 'state'],
    registers,
    collect: () => {
      flows.reset();
      for (const { protocol, state, flows: count } of gauges.flowTable().lastSweep?.flows ?? [])
        flows.set({ protocol: protocol.toLowerCase(), state }, count);
    },
  });
  const add = (name: string, help: string, read: (table: FlowTableGauges) => number) => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => gauge.set(read(gauges.flowTable())),
    });
  };
  add(
    'signalbox_flow_table_entries',
    'Entries of the flow table in use at the last sweep; a connection takes two or more.',
    ({ lastSweep }) => lastSweep?.entries ?? Number.NaN,
  );
  add(
    'signalbox_flow_table_capacity',
    'Entries that the flow table holds. When it is full, packets of new connections are dropped (dropped_flow_table).',
    ({ capacity }) => capacity,
  );
  add(
    'signalbox_flow_sweep_age_seconds',
    'Time since the flow table was last looked through; NaN before the first time. Above some minutes the agent is stuck.',
    ({ lastSweep }) => lastSweep?.ageSeconds ?? Number.NaN,
  );
  add(
    'signalbox_masquerade_ports_in_use_max',
    'Source ports in use towards the backend that has the most masqueraded connections, at the last sweep. At ' +
      'signalbox_masquerade_ports, new ones are dropped.',
    ({ lastSweep }) => lastSweep?.masqueradePortsInUse ?? Number.NaN,
  );
  add(
    'signalbox_masquerade_ports',
    'Source ports that there are for masqueraded connections to one backend, from one address of this node.',
    ({ masqueradePorts }) => masqueradePorts,
  );
}
