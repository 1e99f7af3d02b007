// SPDX-License-Identifier: Apache-2.0
// The agent: builds the parts, connects them, runs until it is told to stop. Ending it, in whatever way,
// leaves programs and tables at work.

import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import type { ApiObserver } from '../cluster/api-client.ts';
import { type ApiServerSource, createApiServerSource } from '../cluster/api-server-source.ts';
import { EventRecorder } from '../cluster/event-recorder.ts';
import { createManifestSource } from '../cluster/manifest-source.ts';
import type { ObjectSource } from '../cluster/object-source.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { EnvironmentError, messageOf } from '../errors.ts';
import { ClusterState } from '../model/cluster-state.ts';
import type { Failure } from '../reconcile/apply.ts';
import { runLoop } from '../reconcile/loop.ts';
import { type PassReport, Reconciler, type ReconcilerObserver } from '../reconcile/reconciler.ts';
import { selfTest } from '../reconcile/self-test.ts';
import { Wakeup } from '../reconcile/wakeup.ts';
import { isInsideCgroup } from '../sys/cgroup.ts';
import { openTables, PINNED_MAPS, Programs } from '../sys/datapath.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import { watchNodeAddresses } from '../sys/node-addresses.ts';
import { openPacketTables } from '../sys/packet-tables.ts';
import { Pins } from '../sys/pins.ts';
import { arePortsReserved, reservePorts } from '../sys/reserved-ports.ts';
import type { Logger } from '../telemetry/log.ts';
import { serveStatus } from '../telemetry/status-socket.ts';
import { AgentHealth } from './agent-health.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { AgentNode } from './agent-node.ts';
import { AgentReport } from './agent-report.ts';
import { ConflictTeller } from './conflict-teller.ts';
import { EXPLAIN_PATH, explainHandler } from './explain-socket.ts';
import { FlowSweeper } from './flow-sweeper.ts';
import { KUBE_PROXY_PATH, kubeProxyHandler } from './kube-proxy-socket.ts';
import { KubeProxyWatch } from './kube-proxy-watch.ts';
import { LeftSockets } from './left-sockets.ts';
import { packetGauges } from './packet-gauges.ts';
import { isPacketPathOff, PacketPathDevices } from './packet-path-devices.ts';
import { programRuns } from './program-runs.ts';
import { releaseMemory } from './release-memory.ts';

export interface RunHooks {
  /** What is wrong with the configuration file by now, for `status`. */
  readonly configurationProblem: () => string | undefined;
  /** No other agent keeps the tables; nothing has been touched yet. */
  readonly onAlone: () => void;
  /** All that was due has been written, and it works with this configuration. */
  readonly onReady: () => void;
}

/**
 * Runs until `signal` aborts: the process is to end, or to go on with another configuration.
 *
 * @throws EnvironmentError when it cannot start.
 */
export async function runAgent(
  config: AgentConfig,
  log: Logger,
  signal: AbortSignal,
  { configurationProblem, onAlone, onReady }: RunHooks,
): Promise<void> {
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  const changed = new Wakeup();
  const heard = () => {
    changed.ring();
    health.queued();
    metrics.queued();
  };
  const onFatal = (error: EnvironmentError) => stop.abort(error);
  const metrics = new AgentMetrics({ config, onFatal, log, signal: stop.signal });
  const cluster = new ClusterState(heard, metrics.changes);
  const source = createSource(config, log, metrics.api);
  const node = new AgentNode(config.node, cluster, netnsCookie());
  const recorder = createRecorder(source, config, log, stop.signal);
  const health = new AgentHealth({
    config,
    cluster,
    node: () => node.facts,
    isToldOfNodes: () => source.watches.some((watch) => watch.kind === 'Node' && watch.lastContact),
    isBeside: () => node.isBeside,
    recorder,
    notReady: () => report.notReady,
    onAnswer: (path, code) => metrics.answered(path, code),
    onFatal,
    log,
  });
  const pins = new Pins(config.bpffs);
  const report = new AgentReport(config, cluster, source, configurationProblem);
  report.watchHealth(health, metrics);
  let kubeProxy: KubeProxyWatch | undefined;
  const statusServer = await serveStatus(config.bpffs, () => report.status(), {
    [EXPLAIN_PATH]: explainHandler({ cluster, node: () => node.facts }),
    [KUBE_PROXY_PATH]: kubeProxyHandler(() => kubeProxy),
  });
  try {
    onAlone();
    const programs = Programs.load(pins);
    const tables = openTables(pins);
    const { netnsCookie: cookieBefore = 0n } = tables.nodes.get(0) ?? {};
    if (cookieBefore !== 0n && cookieBefore !== netnsCookie()) {
      log.warn(
        { bpffs: config.bpffs, hint: 'it must be the one of the host (hostNetwork)' },
        'the agent before this one was in another network namespace; devices are served in this one now, and there no more',
      );
    }
    const packetTables = openPacketTables(pins);
    const { flows } = packetTables;
    const { members } = tables;
    const sweeper = new FlowSweeper({ tables: { flows, members }, log, signal: stop.signal });
    metrics.start({
      agent: report.gauges(tables),
      packets: packetGauges(packetTables, tables, sweeper, stop.signal),
      counts: tables.serviceCounts,
      programs: () => programRuns(pins),
      recorder,
      apiServer: 'client' in source ? source.client.server : undefined,
      isBeside: () => node.isBeside,
    });
    const conflicts = new ConflictTeller(cluster, recorder);
    const sockets = new LeftSockets(pins, config.proc, log, (count) =>
      metrics.closedSockets(count),
    );
    stop.signal.addEventListener('abort', () => sockets.close());
    const devices = new PacketPathDevices(config.packetPath, () => node.facts, log);
    report.watchDevices(devices);
    const watch = new KubeProxyWatch({
      tables: { ...tables, flows },
      cgroup: config.cgroup,
      proc: config.proc,
      masqueradePorts: config.node.masqueradePorts,
      servesPodDevices: config.packetPath.podDevices.length > 0,
      takesOver: config.takesOverFromKubeProxy ?? false,
      log,
      signal: stop.signal,
      onBeside: (isBeside) => {
        node.setBeside(isBeside);
        heard();
      },
    });
    report.watchKubeProxy(watch);
    // Before the first write, which says to the programs whether somebody else translates, too.
    await watch.begin();
    let portsAreReserved = false;
    const reserve = () => {
      portsAreReserved = reservePorts(config.node.masqueradePorts, config.proc, log);
    };
    const observer: ReconcilerObserver = {
      passed: (pass) => {
        report.passed(pass);
        metrics.passed(pass);
        logPass(log, pass);
        devices.nodeChanged();
        if (pass.services > 0) conflicts.tell(reconciler.conflicts);
        health.passed(pass);
        if (pass.udpBackendsGone > 0) {
          sockets.request();
          sweeper.request();
          kubeProxy?.backendsLeft();
        }
      },
      audited: ({ repairs }) => {
        metrics.repaired(repairs);
        if (repairs > 0) log.warn({ repairs }, 'tables had been changed by something else');
        // Whoever reads sysctls from files again replaces the whole list.
        if (portsAreReserved && !arePortsReserved(config.node.masqueradePorts, config.proc))
          reserve();
        putBack(pins, programs, config.cgroup, log);
        sockets.request();
        kubeProxy?.request();
      },
    };
    const reconciler = new Reconciler(
      cluster,
      tables,
      observer,
      () => node.view,
      config.syncPeriodMs,
    );
    report.watch(reconciler);
    metrics.watch(reconciler);
    health.watch(reconciler);
    watchNodeAddresses({
      onChange: (addresses) => {
        node.setLocalAddresses(addresses);
        heard();
      },
      log,
      signal: stop.signal,
    });
    health.start();
    log.info(
      { node: config.node.nodeName, source: source.description, cgroup: config.cgroup },
      'started',
    );
    source.start(cluster, stop.signal);
    await runLoop({
      cluster,
      reconciler,
      changed,
      auditEveryMs: config.auditEveryMs,
      progress: health,
      signal: stop.signal,
      onComplete: async () => {
        programs.attach(config.cgroup);
        if (!isPacketPathOff(config.packetPath)) reserve();
        kubeProxy = watch;
        await watch.look();
        await devices.start(pins, tables, stop.signal);
        for (const pin of pins.removeOtherMaps(PINNED_MAPS))
          log.info({ pin }, 'removed an older table');
        // For what left while no agent was there.
        sockets.request();
        sweeper.request();
        const problems = await proveProgramsRun(config.cgroup, reconciler, log);
        report.selfTested(problems);
        await watch.proven(problems?.length === 0);
        health.ready(problems);
        onReady();
        log.info(
          { services: cluster.serviceCount, uptimeMs: Math.round(performance.now()) },
          'ready',
        );
        // Where NODE_COMPILE_CACHE says so: for the next start, should this one be killed.
        flushCompileCache();
        releaseMemory();
      },
    });
    await devices.close();
    tables.close();
    packetTables.close();
    programs.close();
    if (stop.signal.reason instanceof EnvironmentError) throw stop.signal.reason;
  } finally {
    // A source or a server that goes on would keep a process alive that has given up.
    signal.removeEventListener('abort', end);
    stop.abort();
    health.close();
    metrics.close();
    // Whoever runs next, in this process too, listens where this one did.
    const closed = once(statusServer, 'close');
    statusServer.close();
    statusServer.closeAllConnections();
    await closed;
  }
  log.info('stopped; programs and tables stay at work');
}

/**
 * Puts the programs on hooks again of which somebody has removed the pins.
 *
 * @throws EnvironmentError when tables are gone too. What this process holds nobody else finds, the next agent neither:
 * whoever keeps it running starts it anew, and then all is there again.
 */
function putBack(pins: Pins, programs: Programs, cgroup: string, log: Logger): void {
  const [missing] = pins.missingMaps(PINNED_MAPS);
  if (missing !== undefined) {
    throw new EnvironmentError(`somebody has removed ${missing}, and with it what is served`, {
      hint: 'start the agent again: it makes all of it anew',
    });
  }
  try {
    programs.attach(cgroup);
  } catch (error) {
    log.error({ cgroup, error: messageOf(error) }, 'cannot put the programs on their hooks again');
  }
}

/** @returns what did not work; undefined when it could not be tried. */
async function proveProgramsRun(
  cgroup: string,
  reconciler: Reconciler,
  log: Logger,
): Promise<string[] | undefined> {
  if (!isInsideCgroup(cgroup)) {
    log.warn({ cgroup }, 'no self-test: this process is not in the cgroup');
    return undefined;
  }
  let problems: string[] | undefined;
  try {
    problems = await selfTest((frontends, body) => reconciler.withTemporary(frontends, body));
  } catch (error) {
    // A table may be full: that says nothing of the programs.
    log.warn({ cgroup, error: messageOf(error) }, 'no self-test: it could not be prepared');
    return undefined;
  }
  if (!problems) log.warn('no self-test: there is no loopback address');
  else if (problems.length)
    log.error({ cgroup, problems }, 'self-test failed: the programs do not run');
  return problems;
}

function createSource(
  config: AgentConfig,
  log: Logger,
  observer: ApiObserver,
): ObjectSource | ApiServerSource {
  const { source } = config;
  const { nodeName } = config.node;
  if ('manifests' in source) return createManifestSource({ dir: source.manifests, nodeName, log });
  const { kubeconfig, master, writes } = source;
  return createApiServerSource({
    nodeName,
    log,
    writes,
    observer,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(master !== undefined && { master }),
  });
}

/** Manifests have nobody to tell. */
function createRecorder(
  source: ObjectSource | ApiServerSource,
  { node }: AgentConfig,
  log: Logger,
  signal: AbortSignal,
): EventRecorder | undefined {
  if (!('client' in source)) return undefined;
  return new EventRecorder({ client: source.client, nodeName: node.nodeName, log, signal });
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
