// SPDX-License-Identifier: Apache-2.0
// All that the agent tells of itself: metrics, health checks, Events, `status` and the log of passes. Built by
// agent-process.ts, which passes on what happens; none of it changes what is served.

import type { Failure } from '../reconcile/apply.ts';
import type { LoopProgress } from '../reconcile/loop.ts';
import type { AuditReport, PassReport } from '../reconcile/observer.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Repaired } from '../telemetry/metrics.ts';
import { AgentHealth } from './agent-health.ts';
import type { AgentInputs } from './agent-inputs.ts';
import type { AgentKeepers } from './agent-keepers.ts';
import type { AgentKernel } from './agent-kernel.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import { AgentReport } from './agent-report.ts';
import type { AgentRun } from './agent-run.ts';
import { ConflictTeller } from './conflict-teller.ts';
import { FailureTeller } from './failure-teller.ts';
import { packetGauges } from './packet-gauges.ts';
import { programRuns } from './program-runs.ts';

export class AgentTellers {
  readonly report: AgentReport;
  readonly #run: AgentRun;
  readonly #inputs: AgentInputs;
  readonly #metrics: AgentMetrics;
  readonly #health: AgentHealth;
  readonly #conflicts: ConflictTeller;
  readonly #failures: FailureTeller;
  #reconciler: Reconciler | undefined;
  #selfTestProblems: readonly string[] = [];

  constructor(
    run: AgentRun,
    inputs: AgentInputs,
    metrics: AgentMetrics,
    configurationProblem: () => string | undefined,
  ) {
    const { config, log, onFatal } = run;
    const { cluster, source, node, recorder } = inputs;
    this.#run = run;
    this.#inputs = inputs;
    this.#metrics = metrics;
    this.report = new AgentReport(run, cluster, source, configurationProblem);
    this.#health = new AgentHealth({
      config,
      cluster,
      node: () => node.facts,
      isToldOfNodes: () =>
        source.watches.some(({ kind, lastContact }) => kind === 'Node' && lastContact),
      isBeside: () => node.isBeside,
      recorder,
      notReady: () => this.report.notReady,
      onAnswer: (path, code) => metrics.answered(path, code),
      onFatal,
      log,
    });
    this.#conflicts = new ConflictTeller(cluster, recorder);
    this.#failures = new FailureTeller(cluster, recorder, {
      nodeName: config.node.nodeName,
      tables: () => this.report.tableFill(),
    });
    this.report.watchHealth(this.#health, metrics);
  }

  /** For the loop to tell when it takes changes up. */
  get progress(): LoopProgress {
    return this.#health;
  }

  /** There are tables to tell of, and those who look after the node. Metrics are served from now on. */
  watchKernel(kernel: AgentKernel, keepers: AgentKeepers): void {
    const { pins, tables, packetTables } = kernel;
    const { recorder, node } = this.#inputs;
    this.report.watchKernel(tables, keepers);
    this.#metrics.start({
      agent: this.report.gauges(),
      packets: packetGauges(packetTables, tables, keepers.flows, this.#run.signal),
      counts: tables.serviceCounts,
      programs: () => programRuns(pins),
      recorder,
      isBeside: () => node.isBeside,
    });
  }

  /** Health checks are answered from now on. */
  watch(reconciler: Reconciler): void {
    this.#reconciler = reconciler;
    this.report.watch(reconciler);
    this.#metrics.watch(reconciler);
    this.#health.watch(reconciler);
    this.#health.start();
  }

  /** Something has changed that is to be programmed. */
  queued(): void {
    this.#health.queued();
    this.#metrics.queued();
  }

  passed(pass: PassReport): void {
    this.report.passed(pass);
    this.#metrics.passed(pass);
    logPass(this.#run.log, pass);
    if (pass.services > 0) this.#conflicts.tell(this.#reconciler?.conflicts ?? []);
    this.#failures.passed(pass);
    this.#health.passed(pass);
  }

  audited({ repairs }: AuditReport): void {
    this.#metrics.repaired('tables', repairs);
    if (repairs > 0) this.#run.log.warn({ repairs }, 'tables had been changed by something else');
  }

  /** So much had been changed by something else, and is as it was. */
  repaired(what: Repaired, count: number): void {
    this.#metrics.repaired(what, count);
  }

  /** @param problems undefined when the test could not be tried. */
  selfTested(problems: readonly string[] | undefined): void {
    this.report.selfTested(problems);
    this.#selfTestProblems = problems ?? [];
  }

  /** Everything is programmed for the first time. */
  ready(): void {
    this.#health.ready(this.#selfTestProblems);
    this.#run.log.info(
      {
        services: this.#inputs.cluster.serviceCount,
        uptimeMs: Math.round(performance.now()),
      },
      'ready',
    );
  }

  close(): void {
    this.#health.close();
    this.#metrics.close();
  }
}

function logPass(log: Logger, { services, steps, durationMs, failures }: PassReport): void {
  log.debug(
    { services, writes: steps, durationMs: Math.round(durationMs * 100) / 100 },
    'programmed',
  );
  // A table that is full hurts many in the same way; `status` names them all.
  const alike = Map.groupBy(failures, ({ step, message }) => `${step} ${message}`);
  for (const [{ service, step, message }, ...others] of alike.values() as Iterable<
    [Failure, ...Failure[]]
  >) {
    log.error(
      { service, ...(others.length && { otherServices: others.length }), step, error: message },
      'cannot program a Service; it will be tried again',
    );
  }
}
