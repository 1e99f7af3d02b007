// SPDX-License-Identifier: Apache-2.0
// What kube-proxy's dashboards and alerts read (semantics 1.14): its names, types, labels and buckets, with what is true
// of this agent. Declared here, counted by the agent. Names and labels never change.
//
// One pass writes the tables of both families, so each family shows it.

import type { IpFamily } from '../model/address.ts';
import { Counter, exponentialBuckets, Gauge, Histogram, type Registry } from './prom-client.ts';
import type { HealthPath } from './proxy-health-server.ts';

/** Of every histogram of passes. */
const PASS_BUCKETS = exponentialBuckets(0.001, 2, 15);

/** 0.25, 0.5, 1 ... 59 by 1, 60 ... 115 by 5, 120 ... 300 by 30 */
const PROGRAMMING_BUCKETS = [
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, i) => 1 + i),
  ...Array.from({ length: 12 }, (_, i) => 60 + 5 * i),
  ...Array.from({ length: 7 }, (_, i) => 120 + 30 * i),
];

/** What is asked at every scrape. */
export interface KubeProxyGauges {
  readonly changes: () => Record<'totals' | 'pending', { endpoints: number; services: number }>;
  /** Service ports of policy Local that have endpoints, and none on this node. */
  readonly withoutLocalEndpoints: () => readonly {
    readonly policy: 'internal' | 'external';
    readonly family: IpFamily;
    readonly servicePorts: number;
  }[];
}

export class KubeProxyMetrics {
  readonly #families: readonly IpFamily[];
  readonly #passes: Histogram;
  readonly #fullPasses: Histogram;
  readonly #partialPasses: Histogram;
  readonly #programming: Histogram;
  #lastPassMs: number | undefined;
  #lastQueuedMs: number | undefined;
  readonly #answers: Readonly<Record<HealthPath, Counter>>;

  constructor(registry: Registry, families: readonly IpFamily[], gauges: KubeProxyGauges) {
    this.#families = families;
    const registers = [registry];
    const perFamily = (name: string, help: string, buckets: number[]) => {
      const histogram = new Histogram({
        name: `kubeproxy_${name}`,
        help,
        labelNames: ['ip_family'],
        buckets,
        registers,
      });
      for (const family of families) histogram.zero({ ip_family: family });
      return histogram;
    };
    this.#passes = perFamily(
      'sync_proxy_rules_duration_seconds',
      'Time from taking up changed Services to their last table write, as signalbox_pass_duration_seconds. Each pass counts for both families.',
      PASS_BUCKETS,
    );
    this.#fullPasses = perFamily(
      'sync_full_proxy_rules_duration_seconds',
      'The same, of passes over everything: the first one, and audits.',
      PASS_BUCKETS,
    );
    this.#partialPasses = perFamily(
      'sync_partial_proxy_rules_duration_seconds',
      'The same, of passes over what changed.',
      PASS_BUCKETS,
    );
    this.#programming = perFamily(
      'network_programming_duration_seconds',
      'Time from what made endpoints change (annotation endpoints.kubernetes.io/last-change-trigger-time of their EndpointSlice) until the change is in the tables. Rests on the clocks of the control plane and of this node; the annotation often has whole seconds.',
      PROGRAMMING_BUCKETS,
    );
    const instant = (name: string, help: string, atMs: () => number | undefined) => {
      const gauge: Gauge = new Gauge({
        name: `kubeproxy_${name}`,
        help,
        labelNames: ['ip_family'],
        registers,
        collect: () => {
          const ms = atMs();
          if (ms === undefined) return;
          for (const family of families) gauge.set({ ip_family: family }, ms / 1000);
        },
      });
    };
    instant(
      'sync_proxy_rules_last_timestamp_seconds',
      'When the last pass ended of which no write was refused, in seconds since 1970.',
      () => this.#lastPassMs,
    );
    instant(
      'sync_proxy_rules_last_queued_timestamp_seconds',
      'When the last change came that a pass has to take up, in seconds since 1970.',
      () => this.#lastQueuedMs,
    );
    this.#answers = {
      healthz: this.#answerCounter('healthz', registers),
      livez: this.#answerCounter('livez', registers),
    };
    this.#declareChanges(registers, gauges);
  }

  /** A pass has ended, and brought changes into the tables that were caused `latencies` before. */
  passed(
    seconds: number,
    isFull: boolean,
    latencies: readonly { family: IpFamily; seconds: number }[],
  ): void {
    for (const family of this.#families) {
      this.#passes.observe({ ip_family: family }, seconds);
      (isFull ? this.#fullPasses : this.#partialPasses).observe({ ip_family: family }, seconds);
    }
    for (const { family, seconds: since } of latencies)
      this.#programming.observe({ ip_family: family }, since);
  }

  /** No write of the last pass was refused. */
  succeeded(): void {
    this.#lastPassMs = Date.now();
  }

  /** Thousands of times while a cluster is listed: a number is all that it may cost. */
  queued(): void {
    this.#lastQueuedMs = Date.now();
  }

  /** /healthz or /livez of the health server was answered with `code`. */
  answered(path: HealthPath, code: number): void {
    this.#answers[path].inc({ code: String(code) });
  }

  #answerCounter(path: string, registers: Registry[]): Counter {
    const counter = new Counter({
      name: `kubeproxy_proxy_${path}_total`,
      help: `Answers of /${path} on the health server, by status code.`,
      labelNames: ['code'],
      registers,
    });
    counter.inc({ code: '200' }, 0);
    counter.inc({ code: '503' }, 0);
    return counter;
  }

  #declareChanges(
    registers: Registry[],
    { changes, withoutLocalEndpoints }: KubeProxyGauges,
  ): void {
    for (const [kind, what, words] of [
      ['endpoint', 'endpoints', 'EndpointSlices'],
      ['service', 'services', 'Services'],
    ] as const) {
      const total: Counter = new Counter({
        name: `kubeproxy_sync_proxy_rules_${kind}_changes_total`,
        help: `Changes of ${words} that matter to the tables.`,
        registers,
        collect: () => {
          total.reset();
          total.inc(changes().totals[what]);
        },
      });
      const pending: Gauge = new Gauge({
        name: `kubeproxy_sync_proxy_rules_${kind}_changes_pending`,
        help: `Changes of ${words} that are not in the tables yet.`,
        registers,
        collect: () => pending.set(changes().pending[what]),
      });
    }
    const withoutLocal: Gauge = new Gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      help: 'Service ports whose traffic policy is Local and whose endpoints are all on other nodes, now: clients that come here meet silence.',
      labelNames: ['ip_family', 'traffic_policy'],
      registers,
      collect: () => {
        for (const { policy, family, servicePorts } of withoutLocalEndpoints()) {
          if (!this.#families.includes(family)) continue;
          withoutLocal.set({ ip_family: family, traffic_policy: policy }, servicePorts);
        }
      },
    });
  }
}
