// SPDX-License-Identifier: Apache-2.0
// The packet path in `signalbox status`: what is said when nothing is to say, and what when something is wrong.

import test from 'ava';
import {
  type PacketStatus,
  packetStatusLines,
  readPacketStatus,
} from '../../../agent/commands/packet-status.ts';
import { possibleCpus } from '../../../agent/sys/cpus.ts';
import { KernelMap } from '../../../agent/sys/kernel-map.ts';
import { FlowFlags, MAPS, PacketOutcome } from '../../../agent/sys/layout.gen.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { openPacketTables } from '../../../agent/sys/packet-tables.ts';
import { perCpu } from '../../../agent/sys/per-cpu.ts';
import { flowEntries } from '../../helpers/flows.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const QUIET: PacketStatus = {
  entries: 0,
  flows: [],
  masqueradePortsInUse: 0,
  masqueradePorts: 3000,
  capacity: 131_072,
  packets: { passed: 100 },
};

test('nothing to tell', (t) => {
  t.deepEqual(packetStatusLines(QUIET), [['Flows', 'none; 0 of 131072 entries']]);
});

test('connections by protocol, and drops by name', (t) => {
  const flows = [
    { protocol: 'TCP', state: 'closing', flows: 1 },
    { protocol: 'TCP', state: 'established', flows: 4 },
    { protocol: 'UDP', state: 'answered', flows: 2 },
  ] as const;
  const packets = {
    passed: 100,
    dropped_unallocated: 3,
    dropped_no_route: 1,
    refused_closed_port: 4,
  };
  t.deepEqual(packetStatusLines({ ...QUIET, entries: 14, flows, packets }), [
    ['Flows', '5 TCP, 2 UDP; 14 of 131072 entries'],
    ['Dropped', 'packets: 3 unallocated, 1 no_route'],
  ]);
});

test('ports that ran out are a warning, with the cure', (t) => {
  const packets = { dropped_masquerade_ports_exhausted: 7 };
  t.deepEqual(packetStatusLines({ ...QUIET, masqueradePortsInUse: 2990, packets }).slice(1), [
    ['Dropped', 'packets: 7 masquerade_ports_exhausted'],
    [
      'Warning',
      '7 packets of new connections were dropped because all source ports towards their backend were in use (now at most 2990 of 3000). Give the Service more endpoints, set externalTrafficPolicy: Local, which needs no such ports, or give the agent a wider --masquerade-ports',
    ],
  ]);
});

test('the kernel’s tables', (t) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  const tables = openPacketTables(pins);
  t.teardown(() => tables.close());
  const flow = {
    client: '192.0.2.9 40000',
    dialled: '192.168.0.1 30080',
    backend: '10.244.1.7 8080',
    seenAs: '192.168.0.1 61000',
    servicePortId: 1,
    flags: FlowFlags.CONFIRMED,
    usedNs: process.hrtime.bigint(),
  };
  t.deepEqual(tables.flows.put(flowEntries(flow)), []);
  const cpus = possibleCpus();
  const { key, value } = MAPS.packetCounts;
  const raw = RawMap.openPin(pins.map(MAPS.packetCounts));
  const counts = new KernelMap(raw, { key, value: perCpu(value, cpus) });
  t.teardown(() => counts.close());
  counts.put([[PacketOutcome.DROPPED_NO_ROUTE, Array(cpus).fill({ packets: 2n })]]);
  t.deepEqual(readPacketStatus(tables, 3000), {
    entries: 2,
    flows: [{ protocol: 'TCP', state: 'established', flows: 1 }],
    masqueradePortsInUse: 1,
    masqueradePorts: 3000,
    capacity: tables.flows.raw.maxEntries,
    packets: { dropped_no_route: 2 * cpus },
  });
});
