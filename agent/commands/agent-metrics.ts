// SPDX-License-Identifier: Apache-2.0
// The agent's metrics: gathers what they show from where each fact lives, and serves them. Built by agent-process.ts
// before all else, since whatever it watches may have something to count at once; what there is to gather comes later.

import type { ApiObserver } from '../cluster/api-client.ts';
import type { EventRecorder } from '../cluster/event-recorder.ts';
import type { AgentConfig, ServerAddress } from '../config/agent-config.ts';
import type { EnvironmentError } from '../errors.ts';
import { ChangeTracker } from '../model/change-tracker.ts';
import { withoutLocalEndpoints } from '../plan/no-local-endpoints.ts';
import type { PassReport } from '../reconcile/observer.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { kernelFamilies } from '../sys/ip-families.ts';
import type { Logger } from '../telemetry/log.ts';
import { type AgentGauges, Metrics, type Repaired } from '../telemetry/metrics.ts';
import { MetricsServer } from '../telemetry/metrics-server.ts';
import { NO_PACKETS, type PacketGauges } from '../telemetry/packet-metrics.ts';
import type { ProgramRuns } from '../telemetry/program-metrics.ts';
import type { HealthPath } from '../telemetry/proxy-health-server.ts';
import { type LatencySummary, RecentLatencies } from '../telemetry/recent-latencies.ts';
import type { ServerStatus } from '../telemetry/status.ts';
import { VERSION } from '../version.ts';
import { cannotListen } from './cannot-listen.ts';
import { type ReadCounts, ServiceTraffic } from './service-traffic.ts';

export interface AgentMetricsOptions {
  readonly config: Pick<AgentConfig, 'metrics' | 'bindAddressHardFail' | 'kubeProxyConfiguration'>;
  /** The agent must end: see AgentConfig.bindAddressHardFail. */
  readonly onFatal: (error: EnvironmentError) => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What there is to gather once the tables are open. */
export interface GatheredMetrics {
  readonly agent: AgentGauges;
  readonly packets: PacketGauges;
  readonly counts: ReadCounts;
  readonly programs: () => readonly ProgramRuns[];
  readonly recorder: EventRecorder | undefined;
  /** Whether another service proxy is at work here, too, and so has this port. */
  readonly isBeside: () => boolean;
}

export class AgentMetrics {
  /** For the cluster's state to tell of each change. */
  readonly changes = new ChangeTracker(() => performance.now(), Date.now());
  readonly #options: AgentMetricsOptions;
  readonly #metrics: Metrics;
  readonly #latencies = new RecentLatencies();
  #gathered: GatheredMetrics | undefined;
  #reconciler: Reconciler | undefined;
  #traffic: ServiceTraffic | undefined;
  #server: MetricsServer | undefined;

  constructor(options: AgentMetricsOptions) {
    this.#options = options;
    const { changes } = this;
    this.#metrics = new Metrics({
      version: VERSION,
      families: kernelFamilies(),
      agent: () => this.#gathered?.agent,
      kubeProxy: {
        changes: () => ({ totals: changes.totals, pending: changes.pending }),
        withoutLocalEndpoints: () =>
          this.#reconciler ? withoutLocalEndpoints(this.#reconciler.actual) : [],
      },
      droppedEvents: () => this.#gathered?.recorder?.dropped ?? 0,
      packets: {
        packets: () => this.#packets.packets(),
        flowTable: () => this.#packets.flowTable(),
      },
      traffic: async () => this.#traffic?.read(),
      programs: () => this.#gathered?.programs() ?? [],
    });
  }

  /** For the API client. */
  get api(): ApiObserver {
    return this.#metrics.api;
  }

  /** Before the first request. @param apiServer its URL, where there is one. */
  expectRequestsTo(apiServer: string | undefined): void {
    if (apiServer !== undefined) this.#metrics.api.expect(new URL(apiServer).host);
  }

  watch(reconciler: Reconciler): void {
    this.#reconciler = reconciler;
  }

  /** Gathers from now on, and serves what there is. */
  start(gathered: GatheredMetrics): void {
    const { config, log, signal } = this.#options;
    this.#gathered = gathered;
    this.#traffic = new ServiceTraffic(gathered.counts, () => this.#reconciler?.actual, signal);
    const { metrics: bind } = config;
    if (!bind) return;
    this.#server = new MetricsServer({
      bind,
      metrics: this.#metrics,
      configuration: () => config.kubeProxyConfiguration,
      version: VERSION,
      onFailure: (error) => this.#cannotListen(bind, error),
      log,
    });
    this.#server.start();
  }

  /** Something has changed that is to be programmed. */
  queued(): void {
    this.#metrics.queued();
  }

  passed(pass: PassReport): void {
    const { durationMs, isFull, steps, changed, failures } = pass;
    const failed = new Set(failures.map(({ service }) => service));
    const changes = this.changes.programmed((key) => changed.has(key) && !failed.has(key));
    const counted = { durationMs, isFull, steps, failures: failures.length };
    const nowMs = performance.now();
    for (const arrivedMs of changes.arrivalsMs) this.#latencies.add(nowMs - arrivedMs);
    this.#metrics.passed(counted, changes, nowMs);
  }

  /** From hearing of a change to its last table write, of the last ones. */
  get latency(): LatencySummary | undefined {
    return this.#latencies.summary;
  }

  /** undefined where it is switched off, and before the start. */
  get server(): ServerStatus | undefined {
    return this.#server?.status;
  }

  repaired(what: Repaired, count: number): void {
    this.#metrics.repaired(what, count);
  }

  closedSockets(count: number): void {
    this.#metrics.closedSockets(count);
  }

  /** The health server has answered. */
  answered(path: HealthPath, code: number): void {
    this.#metrics.answered(path, code);
  }

  close(): void {
    this.#server?.close();
  }

  get #packets(): PacketGauges {
    return this.#gathered?.packets ?? NO_PACKETS;
  }

  #cannotListen(bind: ServerAddress, error: Error): void {
    const server = {
      what: 'metrics',
      bind,
      option: '--metrics-bind-address',
      reason: 'FailedToStartMetricServer',
    } as const;
    cannotListen(server, error, {
      ...this.#options,
      recorder: this.#gathered?.recorder,
      isBeside: this.#gathered?.isBeside() ?? false,
    });
  }
}
