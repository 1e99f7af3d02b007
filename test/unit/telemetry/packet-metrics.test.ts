// SPDX-License-Identifier: Apache-2.0
// Metrics of the packet path as a scraper gets them: names and labels are promises.

import test from 'ava';
import { Registry } from 'prom-client';
import {
  type FlowTableGauges,
  registerPacketMetrics,
} from '../../../agent/telemetry/packet-metrics.ts';

const SWEEP = {
  ageSeconds: 12.5,
  entries: 10,
  flows: [
    { protocol: 'TCP', state: 'established', flows: 3 },
    { protocol: 'UDP', state: 'answered', flows: 2 },
  ],
  masqueradePortsInUse: 2,
};

const TABLE: FlowTableGauges = {
  capacity: 131_072,
  masqueradePorts: 3000,
  swept: { time_over: 7, backend_gone: 0 },
  lastSweep: SWEEP,
};

function scraper(packets: Map<string, number>, table: { now: FlowTableGauges }) {
  const registry = new Registry();
  registerPacketMetrics(registry, { packets: () => packets, flowTable: () => table.now });
  return async () => {
    const lines = (await registry.metrics()).split('\n');
    return lines.filter((line) => line && !line.startsWith('#')).sort();
  };
}

test('every metric, by its name', async (t) => {
  const packets = new Map([
    ['passed', 5],
    ['dropped_no_route', 2],
  ]);
  t.deepEqual(await scraper(packets, { now: TABLE })(), [
    'signalbox_flow_entries_swept_total{reason="backend_gone"} 0',
    'signalbox_flow_entries_swept_total{reason="time_over"} 7',
    'signalbox_flow_sweep_age_seconds 12.5',
    'signalbox_flow_table_capacity 131072',
    'signalbox_flow_table_entries 10',
    'signalbox_flows{protocol="tcp",state="established"} 3',
    'signalbox_flows{protocol="udp",state="answered"} 2',
    'signalbox_masquerade_ports 3000',
    'signalbox_masquerade_ports_in_use_max 2',
    'signalbox_packets_total{outcome="dropped_no_route"} 2',
    'signalbox_packets_total{outcome="passed"} 5',
  ]);
});

test('each scrape shows what is so then, and nothing of the one before', async (t) => {
  const packets = new Map([['passed', 5]]);
  const table = { now: TABLE };
  const scrape = scraper(packets, table);
  await scrape();
  packets.set('passed', 6);
  table.now = { ...TABLE, lastSweep: { ...SWEEP, flows: [] } };
  const lines = await scrape();
  t.true(lines.includes('signalbox_packets_total{outcome="passed"} 6'));
  t.false(lines.some((line) => line.startsWith('signalbox_flows')));
});

test('before the first sweep nothing is made up', async (t) => {
  const lines = await scraper(new Map(), { now: { ...TABLE, lastSweep: undefined } })();
  t.deepEqual(lines, [
    'signalbox_flow_entries_swept_total{reason="backend_gone"} 0',
    'signalbox_flow_entries_swept_total{reason="time_over"} 7',
    'signalbox_flow_sweep_age_seconds Nan',
    'signalbox_flow_table_capacity 131072',
    'signalbox_flow_table_entries Nan',
    'signalbox_masquerade_ports 3000',
    'signalbox_masquerade_ports_in_use_max Nan',
  ]);
});
