// SPDX-License-Identifier: Apache-2.0
// The agent: builds the parts, connects them, runs until it is told to stop. Ending it, in whatever way,
// leaves programs and tables at work.
//
// What lives how long: inputs and tellers for the whole run; within it the lock of the tables, then the status socket;
// within that the tables themselves, and those who keep what is beside them. Each ends before what it rests on.

import { once } from 'node:events';
import type { Server } from 'node:http';
import { flushCompileCache } from 'node:module';
import type { AgentConfig } from '../config/agent-config.ts';
import { EnvironmentError } from '../errors.ts';
import { runLoop } from '../reconcile/loop.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import { Wakeup } from '../reconcile/wakeup.ts';
import { watchNodeAddresses } from '../sys/node-addresses.ts';
import type { PinsLock } from '../sys/pins-lock.ts';
import type { Logger } from '../telemetry/log.ts';
import { serveStatus } from '../telemetry/status-socket.ts';
import { guard } from './agent-guard.ts';
import { type AgentInputs, createInputs } from './agent-inputs.ts';
import { AgentKeepers } from './agent-keepers.ts';
import { AgentKernel } from './agent-kernel.ts';
import { lockTables } from './agent-lock.ts';
import { AgentMetrics } from './agent-metrics.ts';
import type { AgentRun } from './agent-run.ts';
import { proveProgramsRun } from './agent-self-test.ts';
import { AgentTellers } from './agent-tellers.ts';
import { EXPLAIN_PATH, explainHandler } from './explain-socket.ts';
import { KUBE_PROXY_PATH, kubeProxyHandler } from './kube-proxy-socket.ts';
import { Problems } from './problems.ts';
import { releaseMemory, releaseMemoryAfter } from './release-memory.ts';

export interface RunHooks {
  /** What is wrong with the configuration file by now, for `status`. */
  readonly configurationProblem: () => string | undefined;
  /** No other agent keeps the tables; nothing has been touched yet. */
  readonly onAlone: (warnings: Problems) => void;
  /** All that was due has been written, and it works with this configuration. */
  readonly onReady: () => void;
}

/** What there is of a run before it has the kernel's side. */
interface Agent {
  readonly run: AgentRun;
  readonly inputs: AgentInputs;
  readonly metrics: AgentMetrics;
  readonly tellers: AgentTellers;
  /** Rings when there is something for the loop to do. */
  readonly changed: Wakeup;
  /** Something has changed that is to be programmed. */
  readonly heard: () => void;
}

/** What there is while the tables are open. */
interface Side {
  readonly lock: PinsLock;
  readonly kernel: AgentKernel;
  readonly keepers: AgentKeepers;
}

/**
 * Runs until `signal` aborts: the process is to end, or to go on with another configuration. Whatever comes of it,
 * nothing of the run is left then but programs and tables.
 *
 * @throws EnvironmentError when it cannot start, or not go on.
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
  const onFatal = (error: EnvironmentError) => stop.abort(error);
  const run = {
    config,
    log,
    signal: stop.signal,
    onFatal,
    problems: new Problems(),
    warnings: new Problems(),
  };
  const agent = build(run, configurationProblem);
  let side: Side | undefined;
  let lock: PinsLock | undefined;
  let statusServer: Server | undefined;
  try {
    // First of all: of two agents with the same tables the second ends here.
    lock = await lockTables(config, log);
    statusServer = await serveStatus(config.bpffs, () => agent.tellers.report.status(), {
      [EXPLAIN_PATH]: explainHandler({
        cluster: agent.inputs.cluster,
        node: () => agent.inputs.node.facts,
      }),
      [KUBE_PROXY_PATH]: kubeProxyHandler(() => side?.keepers.askedKubeProxy),
    });
    onAlone(run.warnings);
    // Lists come in while the programs are verified.
    agent.inputs.source.start(agent.inputs.cluster, stop.signal);
    side = await openSide(agent, lock);
    await serve(agent, side, onReady);
    if (stop.signal.reason instanceof EnvironmentError) throw stop.signal.reason;
  } finally {
    signal.removeEventListener('abort', end);
    // Before anything is closed: from now on nobody begins anything with it. A source or a server that goes on would
    // keep a process alive that has given up.
    stop.abort();
    await side?.keepers.close();
    side?.kernel.close();
    agent.tellers.close();
    if (statusServer) await closed(statusServer);
    lock?.close();
  }
  log.info('stopped; programs and tables stay at work');
}

/** Nothing of it does anything yet. @throws EnvironmentError when there is no usable source. */
function build(run: AgentRun, configurationProblem: () => string | undefined): Agent {
  const changed = new Wakeup();
  const metrics = new AgentMetrics(run);
  // Not before serve(): then the tellers are there.
  const heard = () => {
    changed.ring();
    tellers.queued();
  };
  const inputs = createInputs(run, { heard, changes: metrics.changes, api: metrics.api });
  metrics.expectRequestsTo(inputs.apiServer);
  const tellers = new AgentTellers(run, inputs, metrics, configurationProblem);
  return { run, inputs, metrics, tellers, changed, heard };
}

async function openSide(
  { run, inputs, metrics, tellers, heard }: Agent,
  lock: PinsLock,
): Promise<Side> {
  const kernel = await AgentKernel.open(run.config, run.log);
  inputs.node.resume(kernel.tables);
  const keepers = new AgentKeepers(run, kernel, inputs.node, {
    nodeChanged: heard,
    closedSockets: (count) => metrics.closedSockets(count),
    putBackOnDevices: (devices) => tellers.repaired('devices', devices),
  });
  keepers.devices.load(kernel.pins);
  tellers.watchKernel(kernel, keepers);
  return { lock, kernel, keepers };
}

/** Until the run's signal aborts. */
async function serve(agent: Agent, side: Side, onReady: () => void): Promise<void> {
  const { run, inputs, tellers, changed, heard } = agent;
  const { config, log, signal } = run;
  const { cluster, source, node } = inputs;
  const { kernel, keepers } = side;
  // Before the first write, which says to the programs whether somebody else translates, too.
  await keepers.begin();
  const reconciler = new Reconciler(
    cluster,
    kernel.tables,
    {
      passed: (pass) => {
        tellers.passed(pass);
        keepers.passed(pass);
        releaseMemoryAfter(pass);
      },
      audited: (audit) => {
        tellers.audited(audit);
        keepers.audited();
      },
      slotsKept: (why) => {
        const problem = `slots that nothing uses any more cannot be given back: ${why}`;
        run.problems.set('slots', why === undefined ? [] : [problem]);
      },
    },
    () => node.view,
    config.syncPeriodMs,
  );
  tellers.watch(reconciler);
  watchNodeAddresses({
    onChange: (addresses) => {
      node.setLocalAddresses(addresses);
      heard();
    },
    log,
    signal,
  });
  log.info(
    { node: config.node.nodeName, source: source.description, cgroup: config.cgroup },
    'started',
  );
  await runLoop({
    cluster,
    reconciler,
    changed,
    auditEveryMs: config.auditEveryMs,
    auditRest: config.auditRest,
    longestRetryMs: config.syncPeriodMs,
    progress: tellers.progress,
    onRefused: (message) => {
      run.problems.set(
        'tables',
        message === undefined ? [] : [`the tables are not checked: ${message}`],
      );
      if (message !== undefined)
        log.error({ error: message }, 'cannot read the tables; tried again');
    },
    signal,
    onComplete: () => goToWork(agent, side, reconciler, onReady),
  });
}

/** The tables are complete for the first time. Each step rests on the one before. */
async function goToWork(
  { run, tellers }: Agent,
  { lock, kernel, keepers }: Side,
  reconciler: Reconciler,
  onReady: () => void,
): Promise<void> {
  kernel.carryOver.switchSockets(() => kernel.attach());
  guard(run, {
    kernel,
    lock,
    devices: keepers.devices,
    onRepaired: (what, count) => tellers.repaired(what, count),
  });
  await keepers.complete();
  // Told to end meanwhile: programs of another build may still be on devices, and use their tables.
  if (run.signal.aborted) return;
  const inUse = kernel.removeOlderTables();
  run.problems.set('older tables', inUse);
  for (const problem of inUse) run.log.error({ problem }, 'older tables stay');
  const problems = await proveProgramsRun(run.config.cgroup, reconciler, run.log);
  tellers.selfTested(problems);
  await keepers.proven(problems?.length === 0);
  onReady();
  tellers.ready();
  // Where NODE_COMPILE_CACHE says so: for the next start, should this one be killed.
  flushCompileCache();
  releaseMemory();
}

/** Whoever runs next, in this process too, listens where this one did. */
async function closed(server: Server): Promise<void> {
  const isClosed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await isClosed;
}
