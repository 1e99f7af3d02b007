// SPDX-License-Identifier: Apache-2.0
// What the agent says of itself, to `status` and in metrics: gathered here, from where each fact lives.

import type { ObjectSource } from '../cluster/object-source.ts';
import type { ClusterState } from '../model/cluster-state.ts';
import { NODE_WAIT_MS } from '../reconcile/loop.ts';
import type { PassReport } from '../reconcile/observer.ts';
import type { DeviceReport } from '../reconcile/packet-path.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { Tables } from '../sys/datapath.ts';
import type { AgentGauges, TableFill } from '../telemetry/metrics.ts';
import type { DeviceStatus, LastPass, ServerStatus, Status } from '../telemetry/status.ts';
import { VERSION } from '../version.ts';
import type { AgentHealth } from './agent-health.ts';
import type { AgentKeepers } from './agent-keepers.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import type { AgentRun } from './agent-run.ts';
import { failedServiceLines, failureText } from './failure-text.ts';

export class AgentReport {
  readonly #run: Pick<AgentRun, 'config' | 'problems' | 'warnings'>;
  readonly #cluster: ClusterState;
  readonly #source: ObjectSource;
  readonly #configurationProblem: () => string | undefined;
  readonly #startedAt = new Date();
  #reconciler: Reconciler | undefined;
  #tables: Tables | undefined;
  #health: AgentHealth | undefined;
  #metrics: AgentMetrics | undefined;
  #keepers: AgentKeepers | undefined;
  #lastPass: LastPass | undefined;
  #selfTest: Status['selfTest'] = 'pending';
  #selfTestProblems: readonly string[] = [];

  constructor(
    run: Pick<AgentRun, 'config' | 'problems' | 'warnings'>,
    cluster: ClusterState,
    source: ObjectSource,
    configurationProblem: () => string | undefined,
  ) {
    this.#run = run;
    this.#cluster = cluster;
    this.#source = source;
    this.#configurationProblem = configurationProblem;
  }

  watch(reconciler: Reconciler): void {
    this.#reconciler = reconciler;
  }

  watchHealth(health: AgentHealth, metrics: AgentMetrics): void {
    this.#health = health;
    this.#metrics = metrics;
  }

  watchKernel(tables: Tables, keepers: AgentKeepers): void {
    this.#tables = tables;
    this.#keepers = keepers;
  }

  passed({ services, steps, durationMs }: PassReport): void {
    if (services === 0) return;
    this.#lastPass = { at: new Date().toISOString(), services, writes: steps, durationMs };
  }

  /** @param problems undefined when the test could not be tried. */
  selfTested(problems: readonly string[] | undefined): void {
    this.#selfTestProblems = problems ?? [];
    if (problems === undefined) this.#selfTest = 'not possible';
    else this.#selfTest = problems.length ? 'failed' : 'passed';
  }

  status(): Status {
    const problems = this.#problems();
    const { config } = this.#run;
    const reconciler = this.#reconciler;
    const kubeProxy = this.#keepers?.kubeProxyStatus;
    return {
      version: VERSION,
      pid: process.pid,
      node: config.node.nodeName,
      startedAt: this.#startedAt.toISOString(),
      healthy: problems.length === 0,
      problems,
      warnings: [...this.#run.warnings.all, ...this.#deviceWarnings()],
      cgroup: config.cgroup,
      bpffs: config.bpffs,
      source: this.#source.description,
      watches: this.#source.watches.map(({ kind, phase, relists, lastContact, lastError }) => ({
        kind,
        phase,
        relists,
        ...(lastContact && { lastContact: lastContact.toISOString() }),
        ...(lastError !== undefined && { lastError }),
      })),
      objects: {
        services: this.#cluster.serviceCount,
        endpointSlices: this.#cluster.endpointSliceCount,
      },
      skipped: this.#cluster.skipped.map(({ kind, key, reason }) => ({
        object: `${kind} ${key}`,
        reason,
      })),
      failures: this.#failures(),
      conflicts: reconciler?.conflicts ?? [],
      devices: (this.#keepers?.devices.report.devices ?? []).map(deviceStatus),
      selfTest: this.#selfTest,
      ...(this.#lastPass && { lastPass: this.#lastPass }),
      ...(this.#metrics?.latency && { latency: this.#metrics.latency }),
      tables: this.tableFill(),
      health: this.#health?.state ?? { isHealthy: true, isNodeEligible: true },
      servers: this.#servers(),
      ...(kubeProxy && { kubeProxy }),
    };
  }

  /** Why not all is programmed yet, and the programs at work; undefined once they are. */
  get notReady(): string | undefined {
    return this.#selfTest === 'pending' ? this.#notYet() : undefined;
  }

  gauges(): AgentGauges {
    return {
      ready: () => (this.#selfTest === 'pending' ? 0 : 1),
      services: () => this.#cluster.serviceCount,
      endpointSlices: () => this.#cluster.endpointSliceCount,
      skippedObjects: () => this.#cluster.skipped.length,
      failedServices: () => (this.#reconciler?.failures ?? []).map(({ service }) => service),
      problems: () => this.#problems().length,
      tables: () => this.tableFill(),
      watches: () => this.#source.watches,
    };
  }

  #problems(): string[] {
    const problems: string[] = [];
    const { notReady } = this;
    if (notReady !== undefined) problems.push(notReady);
    const configuration = this.#configurationProblem();
    if (configuration !== undefined) problems.push(configuration);
    for (const { kind, phase, lastError } of this.#source.watches) {
      if (phase === 'waiting')
        problems.push(`cannot watch ${kind}: ${lastError ?? 'unknown error'}`);
    }
    problems.push(...failedServiceLines(this.#failures()));
    for (const problem of this.#reconciler?.nodeFailures ?? [])
      problems.push(`node tables: ${problem}`);
    problems.push(...this.#deviceProblems());
    problems.push(...(this.#health?.problems ?? []), ...this.#serverProblems());
    problems.push(...this.#run.problems.all);
    for (const problem of this.#selfTestProblems) problems.push(`self-test: ${problem}`);
    return problems;
  }

  #failures(): Status['failures'] {
    const tables = this.tableFill();
    return (this.#reconciler?.failures ?? []).map((failure) => ({
      service: failure.service,
      message: failureText(failure, tables),
    }));
  }

  #deviceWarnings(): string[] {
    const { awaited = [] } = this.#keepers?.devices.report ?? {};
    return awaited.map(
      (name) =>
        `device ${name} of pods is not there: it is served once there is one; look at its name if pods have others`,
    );
  }

  #deviceProblems(): string[] {
    const { devices = [], missing = [], problems = [] } = this.#keepers?.devices.report ?? {};
    return [
      ...problems.map((problem) => `packet path: ${problem}`),
      ...missing.map((name) => `device ${name}, which is to be served, is not there`),
      ...devices.flatMap(({ name, problem }) =>
        problem === undefined ? [] : `device ${name} is not served: ${problem}`,
      ),
    ];
  }

  #servers(): ServerStatus[] {
    return [this.#health?.server, this.#metrics?.server].filter((server) => server !== undefined);
  }

  /** kube-proxy, where it still is, has these ports by right. */
  #serverProblems(): string[] {
    if (this.#keepers?.kubeProxyStatus) return [];
    return this.#servers().flatMap(({ what, address, problem }) =>
      problem === undefined
        ? []
        : `cannot serve ${what} at ${address}: ${problem}. \`ss -ltnp\` names who listens there; it is tried again`,
    );
  }

  /** Why the first pass has not ended. */
  #notYet(): string {
    if (!this.#cluster.synced) return 'the objects have not been listed completely yet';
    const unheard = this.#source.watches.filter(({ lastContact, phase }) => {
      return !lastContact && phase !== 'unavailable';
    });
    if (this.#cluster.settled || !unheard.length) return 'the tables are being written';
    const kinds = unheard.map(({ kind }) => kind).join(' and ');
    return `${NODE_WAIT_MS / 1000} s at most are given to the API server to tell of ${kinds}`;
  }

  /** Of what Services fill. */
  tableFill(): TableFill[] {
    const actual = this.#reconciler?.actual;
    if (!actual || !this.#tables) return [];
    const { frontends, members, sourceRanges, servicePorts, slots } = this.#tables;
    return [
      {
        table: 'frontends',
        entries: actual.frontends.size,
        capacity: frontends.raw.maxEntries,
      },
      { table: 'members', entries: actual.memberCount, capacity: members.raw.maxEntries },
      {
        table: 'source_ranges',
        entries: actual.sourceRangeCount,
        capacity: sourceRanges.raw.maxEntries,
      },
      {
        table: 'service_ports',
        entries: actual.servicePorts.size,
        capacity: servicePorts.raw.maxEntries,
      },
      { table: 'slots', entries: this.#reconciler?.slotsUsed ?? 0, capacity: slots.capacity },
    ];
  }
}

function deviceStatus(report: DeviceReport): DeviceStatus {
  const { ifindex, name, choice, attached, problem, masqueradeAddresses } = report;
  return {
    ifindex,
    name,
    ...choice,
    ...(attached && { attached }),
    ...(problem !== undefined && { problem }),
    masqueradeAddresses,
  };
}
