// SPDX-License-Identifier: Apache-2.0
// The agent's health, told to those outside: /healthz and /livez, the health checks of Services, and Events on the
// node. Built by agent-process.ts, which tells it what happens.

import { isDeepStrictEqual } from 'node:util';
import type { EventRecorder } from '../cluster/event-recorder.ts';
import type { AgentConfig, ServerAddress } from '../config/agent-config.ts';
import type { EnvironmentError } from '../errors.ts';
import type { IpAddress, IpFamily } from '../model/address.ts';
import type { ClusterState } from '../model/cluster-state.ts';
import { type HealthCheck, healthCheckHosts, healthCheckOf } from '../model/health-checks.ts';
import type { NodeFacts } from '../model/node-facts.ts';
import { type ObjectKey, objectKey } from '../model/objects.ts';
import { isNodeEligible, isProgrammed, ProxyHealth } from '../model/proxy-health.ts';
import type { LoopProgress } from '../reconcile/loop.ts';
import type { PassReport } from '../reconcile/observer.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { kernelFamilies } from '../sys/ip-families.ts';
import type { Logger } from '../telemetry/log.ts';
import {
  type HealthCode,
  type HealthPath,
  ProxyHealthServer,
} from '../telemetry/proxy-health-server.ts';
import { ServiceHealthServers } from '../telemetry/service-health-servers.ts';
import type { ServerStatus } from '../telemetry/status.ts';
import { VERSION } from '../version.ts';
import { cannotListen } from './cannot-listen.ts';

export interface AgentHealthOptions {
  readonly config: Pick<AgentConfig, 'healthz' | 'bindAddressHardFail' | 'syncPeriodMs' | 'node'>;
  readonly cluster: ClusterState;
  readonly node: () => NodeFacts;
  /** Whether the API server has told which Nodes there are; see isNodeEligible. */
  readonly isToldOfNodes: () => boolean;
  /** Whether another service proxy is at work here, too, and so has these ports; then nobody is told that it has. */
  readonly isBeside: () => boolean;
  /** undefined where there is nobody to tell. */
  readonly recorder: Pick<EventRecorder, 'warn' | 'tellOfNode'> | undefined;
  /** Why not all is programmed yet; undefined once it is. */
  readonly notReady: () => string | undefined;
  /** Told of each answer of /healthz and /livez, for metrics. */
  readonly onAnswer?: (path: HealthPath, code: HealthCode) => void;
  /** The agent must end: see AgentConfig.bindAddressHardFail. */
  readonly onFatal: (error: EnvironmentError) => void;
  readonly log: Logger;
}

/** Twice the sync period, as kube-proxy has it. */
const LATE_PERIODS = 2;
/** Of a pass; each is an Event of its own. */
const NAMED_FAILURES = 3;

export class AgentHealth implements LoopProgress {
  readonly #options: AgentHealthOptions;
  readonly #health: ProxyHealth;
  readonly #families = kernelFamilies();
  readonly #proxyServer: ProxyHealthServer | undefined;
  readonly #services: ServiceHealthServers;
  #hosts: ReadonlyMap<IpFamily, readonly IpAddress[]> = new Map();
  #reconciler: Reconciler | undefined;

  constructor(options: AgentHealthOptions) {
    const { config, notReady, onAnswer, log } = options;
    this.#options = options;
    this.#health = new ProxyHealth(LATE_PERIODS * config.syncPeriodMs);
    const { healthz } = config;
    this.#proxyServer =
      healthz &&
      new ProxyHealthServer({
        bind: healthz,
        health: () => this.#health.report(performance.now()),
        isNodeEligible: () => this.state.isNodeEligible,
        notReady,
        families: this.#families,
        ...(onAnswer && { onAnswer }),
        onFailure: (error) => this.#cannotListen(healthz, error),
        log,
      });
    this.#services = new ServiceHealthServers({
      hosts: (family) => this.#hosts.get(family) ?? [],
      isProxyHealthy: () => this.#health.report(performance.now()).isHealthy,
      onFailure: (check, host, error) => this.#checkFailed(check, host, error),
    });
  }

  watch(reconciler: Reconciler): void {
    this.#reconciler = reconciler;
  }

  /** From now on it answers, before anything is programmed. */
  start(): void {
    this.#proxyServer?.start();
  }

  /** Something has changed that is to be programmed. */
  queued(): void {
    this.#health.queued(performance.now());
  }

  begun(): void {
    this.#health.begun();
  }

  ended(): void {
    const { cluster } = this.#options;
    const failed = this.#reconciler?.failures.length ?? 0;
    this.#health.ended(new Date(), isProgrammed(failed, cluster.serviceCount));
  }

  /** A pass has ended: what is asked of its Services is answered by what is programmed now. */
  passed({ changed, failures }: PassReport): void {
    this.#followAddresses();
    this.#services.update([...changed].map((key) => [key, this.#checkOf(key)] as const));
    const causes = new Set(failures.map(({ step, message }) => `${step}: ${message}`));
    for (const cause of [...causes].slice(0, NAMED_FAILURES)) this.#cannotProgram(cause);
    for (const cause of this.#reconciler?.nodeFailures ?? []) this.#cannotProgram(cause);
  }

  /** Everything is programmed for the first time. @param problems what the self-test found. */
  ready(problems: readonly string[] = []): void {
    const { recorder, cluster } = this.#options;
    recorder?.tellOfNode(
      'Starting',
      `signalbox ${VERSION} serves ${cluster.serviceCount} Services`,
    );
    if (problems.length) recorder?.tellOfNode('SelfTestFailed', problems.join('; '));
  }

  /** What /healthz goes by. */
  get state(): { readonly isHealthy: boolean; readonly isNodeEligible: boolean } {
    const { cluster, isToldOfNodes } = this.#options;
    return {
      isHealthy: this.#health.report(performance.now()).isHealthy,
      isNodeEligible: isNodeEligible(cluster.node, isToldOfNodes()),
    };
  }

  /** undefined where it is switched off. */
  get server(): ServerStatus | undefined {
    return this.#proxyServer?.status;
  }

  /** Health checks of Services that are not answered, a line each; for `status`. */
  get problems(): readonly string[] {
    return [...this.#services.failures].map(
      ([service, reason]) => `health checks of Service ${service} are not answered: ${reason}`,
    );
  }

  close(): void {
    this.#proxyServer?.close();
    this.#services.close();
  }

  #checkOf(key: ObjectKey): HealthCheck | undefined {
    const { cluster, node } = this.#options;
    const service = cluster.service(key);
    return service && healthCheckOf(service, cluster.endpointSlices(key), node());
  }

  #followAddresses(): void {
    const facts = this.#options.node();
    const hosts = new Map(
      this.#families.map((family) => [family, healthCheckHosts(facts, family)] as const),
    );
    if (isDeepStrictEqual(hosts, this.#hosts)) return;
    this.#hosts = hosts;
    this.#services.addressesChanged();
  }

  #cannotListen(bind: ServerAddress, error: Error): void {
    const { isBeside } = this.#options;
    const server = {
      what: '/healthz and /livez',
      bind,
      option: '--healthz-bind-address',
      reason: 'FailedToStartProxierHealthcheck',
    } as const;
    cannotListen(server, error, { ...this.#options, isBeside: isBeside() });
  }

  #checkFailed(check: HealthCheck, host: IpAddress, error: Error): void {
    const { cluster, config, recorder, isBeside, log } = this.#options;
    const key = objectKey(check);
    const { port } = check;
    log.warn(
      { service: key, host, port, error: error.message },
      'cannot answer the health checks of a Service; it will be tried again',
    );
    const service = cluster.service(key);
    if (!service || isBeside()) return;
    recorder?.warn(
      service,
      'FailedToStartServiceHealthcheck',
      `node ${config.node.nodeName} cannot answer health checks on port ${port}: ${error.message}. ` +
        `Load balancers will pass it by. On the node, \`ss -ltnp sport = :${port}\` names what has the port; it is tried again.`,
    );
  }

  #cannotProgram(cause: string): void {
    this.#options.recorder?.tellOfNode(
      'FailedToProgram',
      `the kernel refuses what Services need (${cause}); what was programmed before stays. \`signalbox status\` on the node names them`,
    );
  }
}
