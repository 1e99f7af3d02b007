// SPDX-License-Identifier: Apache-2.0
// The registry of every metric, and those of the agent itself; the files beside have the others. Counters are counted
// where things happen; gauges are read when scraped. docs/metrics.md is made of what is declared here.

import { setImmediate } from 'node:timers/promises';
import type { IpFamily } from '../model/address.ts';
import type { ProgrammedChanges } from '../model/change-tracker.ts';
import type { ObjectKey } from '../model/objects.ts';
import { ApiMetrics } from './api-metrics.ts';
import { registerFailedServices } from './failed-services.ts';
import { type KubeProxyGauges, KubeProxyMetrics } from './kube-proxy-metrics.ts';
import { type PacketGauges, registerPacketMetrics } from './packet-metrics.ts';
import { registerProcessMetrics } from './process-metrics.ts';
import { type ProgramRuns, registerProgramMetrics } from './program-metrics.ts';
import { Counter, Gauge, Histogram, Registry } from './prom-client.ts';
import type { HealthPath } from './proxy-health-server.ts';
import { ServiceMetrics, type TrafficReading } from './service-metrics.ts';

/** What gauges show; each is asked at every scrape. */
export interface AgentGauges {
  readonly ready: () => number;
  readonly services: () => number;
  readonly endpointSlices: () => number;
  readonly skippedObjects: () => number;
  readonly failedServices: () => readonly ObjectKey[];
  /** What `status` says is wrong, as far as the agent sees it. */
  readonly problems: () => number;
  readonly tables: () => readonly TableFill[];
  readonly watches: () => readonly WatchCounts[];
}

export interface WatchCounts {
  readonly kind: string;
  readonly relists: number;
  readonly failures: number;
}

export interface TableFill {
  readonly table: string;
  readonly entries: number;
  readonly capacity: number;
}

export interface MetricsSources {
  /** Of this program. */
  readonly version: string;
  /** That this node has. */
  readonly families: readonly IpFamily[];
  /** undefined while there is nothing to ask yet. */
  readonly agent: () => AgentGauges | undefined;
  /** Events that were not told, since the start. */
  readonly droppedEvents: () => number;
  readonly kubeProxy: KubeProxyGauges;
  readonly packets: PacketGauges;
  /** Never rejects. */
  readonly traffic: () => Promise<TrafficReading | undefined>;
  readonly programs: () => readonly ProgramRuns[];
}

/** Of a pass, as far as it is counted. */
export interface CountedPass {
  readonly durationMs: number;
  readonly isFull: boolean;
  readonly steps: number;
  /** Services that were left incomplete. */
  readonly failures: number;
}

/** What something else may change of what is ours, and the agent mends. */
const REPAIRED = ['tables', 'hooks', 'devices', 'pins'] as const;

export type Repaired = (typeof REPAIRED)[number];

const PASS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

const PROGRAMMING_BUCKETS = [
  0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300,
];

export class Metrics {
  /** Requests to the API server. */
  readonly api: ApiMetrics;
  readonly #registry = new Registry();
  readonly #kubeProxy: KubeProxyMetrics;
  readonly #services: ServiceMetrics;
  readonly #passSeconds: Histogram;
  readonly #programming: Histogram;
  readonly #writes: Counter;
  readonly #refused: Counter;
  readonly #repairs: Counter;
  readonly #closedSockets: Counter;
  /** Two who scrape at once get one answer. */
  #scrape: Promise<string> | undefined;

  constructor(sources: MetricsSources) {
    const { version, families, agent, kubeProxy, packets, traffic, programs } = sources;
    const registers = [this.#registry];
    this.#kubeProxy = new KubeProxyMetrics(this.#registry, families, kubeProxy);
    this.api = new ApiMetrics(this.#registry);
    registerProcessMetrics(this.#registry, version);
    this.#gauge(
      'signalbox_ready',
      'Whether the tables are complete and the programs attached.',
      () => agent()?.ready() ?? 0,
    );
    this.#passSeconds = new Histogram({
      name: 'signalbox_pass_duration_seconds',
      help: 'Time from taking up changed Services to their last table write.',
      buckets: PASS_BUCKETS,
      registers,
    });
    this.#programming = new Histogram({
      name: 'signalbox_programming_duration_seconds',
      help: 'Time until a change is in the tables. since="arrival": from when the agent heard of it, for each Service that changed. since="trigger": from what made the endpoints change, as kubeproxy_network_programming_duration_seconds, in finer buckets.',
      labelNames: ['since'],
      buckets: PROGRAMMING_BUCKETS,
      registers,
    });
    for (const since of ['arrival', 'trigger']) this.#programming.zero({ since });
    this.#writes = this.#counter(
      'signalbox_table_writes_total',
      'Entries written to or deleted from the tables.',
    );
    this.#refused = this.#counter(
      'signalbox_failed_services_total',
      'Attempts at a Service that ended with a refused table write.',
    );
    this.#repairs = new Counter({
      name: 'signalbox_repairs_total',
      help: 'What was mended because something else had changed it: writes to tables, programs put back on hooks of the cgroup and on devices, pins made again.',
      labelNames: ['what'],
      registers,
    });
    for (const what of REPAIRED) this.#repairs.inc({ what }, 0);
    this.#closedSockets = this.#counter(
      'signalbox_closed_udp_sockets_total',
      'Connected UDP sockets that were closed because their backend had left.',
    );
    this.#declareGauges(sources);
    this.#services = new ServiceMetrics(this.#registry, traffic);
    registerPacketMetrics(this.#registry, packets);
    registerProgramMetrics(this.#registry, programs);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Every metric there is, for documentation. */
  get registry(): Registry {
    return this.#registry;
  }

  /** The text exposition format. */
  text(): Promise<string> {
    this.#scrape ??= this.#collect().finally(() => {
      this.#scrape = undefined;
    });
    return this.#scrape;
  }

  /** A pass has ended. @param nowMs milliseconds of the clock that `changes` has its arrivals by. */
  passed(pass: CountedPass, changes: ProgrammedChanges, nowMs: number): void {
    const seconds = pass.durationMs / 1000;
    const latencies = changes.triggers.map(({ family, atMs }) => ({
      family,
      // The clock of the control plane may be ahead.
      seconds: Math.max(0, Date.now() - atMs) / 1000,
    }));
    this.#passSeconds.observe(seconds);
    this.#writes.inc(pass.steps);
    this.#refused.inc(pass.failures);
    this.#kubeProxy.passed(seconds, pass.isFull, latencies);
    if (pass.failures === 0) this.#kubeProxy.succeeded();
    for (const latency of latencies)
      this.#programming.observe({ since: 'trigger' }, latency.seconds);
    for (const arrivedMs of changes.arrivalsMs)
      this.#programming.observe({ since: 'arrival' }, (nowMs - arrivedMs) / 1000);
  }

  /** Something has changed that a pass has to take up. */
  queued(): void {
    this.#kubeProxy.queued();
  }

  /** The health server has answered `path` with the status `code`. */
  answered(path: HealthPath, code: number): void {
    this.#kubeProxy.answered(path, code);
  }

  closedSockets(count: number): void {
    this.#closedSockets.inc(count);
  }

  repaired(what: Repaired, count: number): void {
    this.#repairs.inc({ what }, count);
  }

  async #collect(): Promise<string> {
    await this.#services.update();
    const parts: string[] = [];
    // One after another, and not in one go: the agent goes on with its work in between.
    for (const { name } of this.#registry.getMetricsAsArray()) {
      parts.push(await this.#registry.getSingleMetricAsString(name));
      await setImmediate();
    }
    return `${parts.join('\n\n')}\n`;
  }

  #declareGauges({ agent, droppedEvents }: MetricsSources): void {
    const count = (name: string, help: string, read: (gauges: AgentGauges) => number) =>
      this.#gauge(name, help, () => {
        const gauges = agent();
        return gauges ? read(gauges) : 0;
      });
    count('signalbox_services', 'Services that are watched.', (gauges) => gauges.services());
    count('signalbox_endpoint_slices', 'EndpointSlices that are watched.', (gauges) =>
      gauges.endpointSlices(),
    );
    count(
      'signalbox_skipped_objects',
      'Objects left out, wholly or in part, because they make no sense; `signalbox status` names them.',
      (gauges) => gauges.skippedObjects(),
    );
    count(
      'signalbox_failed_services',
      'Services that wait for another attempt because a table write was refused.',
      (gauges) => gauges.failedServices().length,
    );
    registerFailedServices(this.#registry, () => agent()?.failedServices() ?? []);
    count(
      'signalbox_problems',
      'What is wrong on this node, as far as the agent sees it: the lines under Not healthy of `signalbox status`.',
      (gauges) => gauges.problems(),
    );
    const tables = () => agent()?.tables() ?? [];
    this.#tableGauge('entries', 'Entries in use.', tables, (fill) => fill.entries);
    this.#tableGauge('capacity', 'Entries that fit.', tables, (fill) => fill.capacity);
    const watches = () => agent()?.watches() ?? [];
    this.#watchCounter(
      'relists',
      'Complete lists after the first one.',
      watches,
      (watch) => watch.relists,
    );
    this.#watchCounter(
      'failures',
      'Lists and watches that failed.',
      watches,
      (watch) => watch.failures,
    );
    const dropped = this.#counter(
      'signalbox_dropped_events_total',
      'Kubernetes Events that were not told: too many at once, or the API server would not take them.',
      () => {
        dropped.reset();
        dropped.inc(droppedEvents());
      },
    );
  }

  #counter(name: string, help: string, collect: () => void = () => {}): Counter {
    return new Counter({ name, help, registers: [this.#registry], collect });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(read()),
    });
  }

  #tableGauge(
    unit: string,
    help: string,
    tables: () => readonly TableFill[],
    read: (fill: TableFill) => number,
  ): void {
    const gauge: Gauge = new Gauge({
      name: `signalbox_table_${unit}`,
      help,
      labelNames: ['table'],
      registers: [this.#registry],
      collect: () => {
        for (const fill of tables()) gauge.set({ table: fill.table }, read(fill));
      },
    });
  }

  #watchCounter(
    what: string,
    help: string,
    watches: () => readonly WatchCounts[],
    read: (watch: WatchCounts) => number,
  ): void {
    const counter: Counter = new Counter({
      name: `signalbox_watch_${what}_total`,
      help,
      labelNames: ['kind'],
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        for (const watch of watches()) counter.inc({ kind: watch.kind }, read(watch));
      },
    });
  }
}
