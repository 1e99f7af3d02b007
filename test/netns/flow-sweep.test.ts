// SPDX-License-Identifier: Apache-2.0
// A real agent and the flow table: what goes while it runs, what it finds when it starts, and what /metrics and
// `status` say. Entries are written by hand: which packets make them is not the matter here.

import test from 'ava';
import { openTables } from '../../agent/sys/datapath.ts';
import { FlowFlags, MAPS } from '../../agent/sys/layout.gen.ts';
import { openPacketTables } from '../../agent/sys/packet-tables.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { type FlowText, flowEntries } from '../helpers/flows.ts';
import { until } from '../lab/until.ts';
import { targetAt } from './kube-service.ts';
import { moveService } from './moving-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { startBackends } from './start-backends.ts';

const [OLD, NEW] = ['10.244.1.21', '10.244.1.22'];
const METRICS = '127.0.0.1:10249';

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  made.agent.flags = ['--metrics-bind-address', METRICS];
  await made.agent.start();
});

test.serial('flows go with their UDP backend, or with their time', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  await moveService(n, 'UDP', [OLD]);
  const pins = new Pins(n.bpffs);
  const packetTables = openPacketTables(pins);
  t.teardown(() => packetTables.close());
  const tables = openTables(pins);
  t.teardown(() => tables.close());
  const id = tables.servicePorts.entries().find(([, { protocol }]) => protocol === 17)?.[0] ?? 0;
  t.not(id, 0);

  const backend = targetAt(OLD).replace(':', ' ');
  const flow = (client: number, more: Partial<FlowText> = {}): FlowText => ({
    client: `192.0.2.9 ${client}`,
    dialled: '192.168.0.1 30080',
    backend,
    servicePortId: id,
    flags: FlowFlags.CONFIRMED,
    usedNs: process.hrtime.bigint(),
    ...more,
  });
  const put = (...flows: readonly FlowText[]) =>
    t.deepEqual(packetTables.flows.put(flows.flatMap(flowEntries)), []);
  const clients = () => {
    const all = packetTables.flows.entries().map(([key, { flags, destination }]) => {
      return flags & FlowFlags.REQUEST ? key.source.port : destination.port;
    });
    return [...new Set(all)].sort((a, b) => a - b);
  };
  const udp = { protocol: 'UDP' } as const;
  put(flow(1), flow(2, udp));
  await moveService(n, 'UDP', [NEW]);
  await until('the UDP flow is gone', () => !clients().includes(2));
  t.deepEqual(clients(), [1]);

  // One that was left while no agent was there, and one whose time was over.
  await n.agent.end('SIGKILL');
  const over = process.hrtime.bigint() - 121n * 1_000_000_000n;
  put(flow(3, udp), flow(4, { flags: FlowFlags.RESET, usedNs: over }));
  await n.agent.start();
  await until('both are gone', () => clients().length === 1);
  t.deepEqual(clients(), [1]);

  const scrape = async () => {
    const script = `process.stdout.write(await (await fetch('http://${METRICS}/metrics')).text())`;
    return (await n.run([process.execPath, '--input-type=module', '-e', script])).stdout;
  };
  const text = await scrape();
  const lines = text.split('\n');
  for (const line of [
    'signalbox_flows{protocol="tcp",state="established"} 1',
    'signalbox_flow_table_entries 2',
    `signalbox_flow_table_capacity ${packetTables.flows.raw.maxEntries}`,
    'signalbox_flow_entries_swept_total{reason="time_over"} 2',
    'signalbox_flow_entries_swept_total{reason="backend_gone"} 2',
    'signalbox_packets_total{outcome="dropped_no_route"} 0',
  ]) {
    t.true(lines.includes(line), `${line} is not in\n${text}`);
  }
  t.is(
    lines.filter((line) => line.startsWith('signalbox_packets_total{')).length,
    MAPS.packetCounts.maxEntries,
  );

  t.regex((await n.signalbox('status')).stdout, /^Flows +1 TCP; 2 of \d+ entries$/m);
  const shown = await n.signalbox('flows', '--service', 'default/moving');
  t.regex(shown.stdout, /^default\/moving:\S+ +TCP +192\.0\.2\.9:1 /m);
});
