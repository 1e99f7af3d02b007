// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { Registry } from 'prom-client';
import {
  NOTHING,
  ServiceMetrics,
  type Traffic,
  type TrafficReading,
} from '../../../agent/telemetry/service-metrics.ts';
import { parseExposition } from '../../helpers/promql.ts';

function metricsOf(limit: number) {
  const registry = new Registry();
  const live = new Set<number>();
  const now: { reading: TrafficReading | undefined } = { reading: undefined };
  const metrics = new ServiceMetrics(registry, async () => now.reading, limit);
  const nameOf = (id: number) =>
    live.has(id)
      ? { namespace: 'ns', service: `s${id}`, port: 'http', protocol: 'TCP' }
      : undefined;
  /** @returns connections through sockets by Service. */
  const scrape = async (connections: Record<number, number>, rest: Traffic = NOTHING) => {
    const servicePorts = new Map(
      Object.entries(connections).map(([id, count]) => [Number(id), socket(count)]),
    );
    now.reading = { servicePorts, rest, nameOf };
    await metrics.update();
    return Object.fromEntries(
      parseExposition(await registry.metrics())
        .filter(({ metric }) => metric === 'signalbox_service_connections_total')
        .filter(({ labels }) => labels.path === 'socket')
        .map(({ labels, value }) => [labels.service, value]),
    );
  };
  return { live, scrape, registry, metrics };
}

function socket(connections: number): Traffic {
  return { ...NOTHING, connections: { socket: connections, packet: 0 } };
}

test('the busiest have series of their own, and keep them; the rest is summed', async (t) => {
  const { live, scrape } = metricsOf(2);
  for (const id of [1, 2, 3, 4]) live.add(id);
  t.deepEqual(await scrape({}), { '': 0 });
  t.deepEqual(await scrape({ 1: 5, 2: 7, 3: 6 }), { '': 5, s2: 7, s3: 6 });
  t.deepEqual(await scrape({ 1: 100, 4: 100 }), { '': 205, s2: 7, s3: 6 });
  t.deepEqual(await scrape({ 2: 1 }, socket(4)), { '': 209, s2: 8, s3: 6 });
});

test('who is gone makes room; what was summed before stays there', async (t) => {
  const { live, scrape } = metricsOf(1);
  live.add(1).add(2);
  await scrape({ 1: 5, 2: 3 });
  live.delete(1);
  t.deepEqual(await scrape({}), { '': 3 });
  t.deepEqual(await scrape({ 2: 4 }), { '': 3, s2: 4 });
});

test('refusals and packets have series, too, from the start', async (t) => {
  const { live, scrape, registry } = metricsOf(1);
  live.add(1);
  await scrape({ 1: 1 });
  const lines = (await registry.metrics())
    .split('\n')
    .filter((line) => line.includes('service="s1"'));
  const of = (what: string, path: string, value: number) =>
    `signalbox_service_${what}_total{namespace="ns",service="s1",port="http",protocol="TCP",path="${path}"} ${value}`;
  t.deepEqual(lines, [
    of('connections', 'socket', 1),
    of('connections', 'packet', 0),
    of('refusals', 'socket', 0),
    of('refusals', 'packet', 0),
  ]);
});
