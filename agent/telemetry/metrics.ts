// SPDX-License-Identifier: Apache-2.0
// Every metric, declared once. Counters are counted where things happen; gauges are read when scraped.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type PacketGauges, registerPacketMetrics } from './packet-metrics.ts';

/** What gauges show; each is asked at every scrape. */
export interface Gauges {
  readonly ready: () => number;
  readonly services: () => number;
  readonly endpointSlices: () => number;
  readonly skippedObjects: () => number;
  readonly failedServices: () => number;
  readonly tables: () => readonly TableFill[];
  readonly watches: () => readonly { readonly kind: string; readonly relists: number }[];
}

export interface TableFill {
  readonly table: string;
  readonly entries: number;
  readonly capacity: number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #passSeconds: Histogram;
  readonly #writes: Counter;
  readonly #refused: Counter;
  readonly #repairs: Counter;
  readonly #closedSockets: Counter;

  constructor(gauges: Gauges, packetGauges: PacketGauges) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#passSeconds = new Histogram({
      name: 'signalbox_pass_duration_seconds',
      help: 'Time from taking up changed Services to their last table write.',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    });
    this.#writes = new Counter({
      name: 'signalbox_table_writes_total',
      help: 'Entries written to or deleted from the tables.',
      registers,
    });
    this.#refused = new Counter({
      name: 'signalbox_failed_services_total',
      help: 'Attempts at a Service that ended with a refused table write.',
      registers,
    });
    this.#repairs = new Counter({
      name: 'signalbox_audit_repairs_total',
      help: 'Table writes that mended what something else had changed.',
      registers,
    });
    this.#closedSockets = new Counter({
      name: 'signalbox_closed_udp_sockets_total',
      help: 'Connected UDP sockets that were closed because their backend had left.',
      registers,
    });
    this.#gauge(
      'signalbox_ready',
      'Whether the tables are complete and the programs attached.',
      gauges.ready,
    );
    this.#gauge('signalbox_services', 'Services that are watched.', gauges.services);
    this.#gauge(
      'signalbox_endpoint_slices',
      'EndpointSlices that are watched.',
      gauges.endpointSlices,
    );
    this.#gauge(
      'signalbox_skipped_objects',
      'Objects left out because they make no sense.',
      gauges.skippedObjects,
    );
    this.#gauge(
      'signalbox_failed_services',
      'Services that wait for another attempt.',
      gauges.failedServices,
    );
    this.#tableGauge('entries', 'Entries in use.', gauges, (fill) => fill.entries);
    this.#tableGauge('capacity', 'Entries that fit.', gauges, (fill) => fill.capacity);
    const relists: Gauge = new Gauge({
      name: 'signalbox_watch_relists',
      help: 'Complete lists after the first one.',
      labelNames: ['kind'],
      registers,
      collect: () => {
        for (const { kind, relists: count } of gauges.watches()) relists.set({ kind }, count);
      },
    });
    registerPacketMetrics(this.#registry, packetGauges);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text exposition format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  passed(seconds: number, writes: number, failures: number): void {
    this.#passSeconds.observe(seconds);
    this.#writes.inc(writes);
    this.#refused.inc(failures);
  }

  closedSockets(count: number): void {
    this.#closedSockets.inc(count);
  }

  repaired(writes: number): void {
    this.#repairs.inc(writes);
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    });
  }

  #tableGauge(unit: string, help: string, gauges: Gauges, read: (fill: TableFill) => number): void {
    const gauge: Gauge = new Gauge({
      name: `signalbox_table_${unit}`,
      help,
      labelNames: ['table'],
      registers: [this.#registry],
      collect: () => {
        for (const fill of gauges.tables()) gauge.set({ table: fill.table }, read(fill));
      },
    });
  }
}
