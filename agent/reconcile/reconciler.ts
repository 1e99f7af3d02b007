// SPDX-License-Identifier: Apache-2.0
// The loop: wait for a change, resolve what changed, plan, apply, remember what failed, again.
//
// Nothing is written before every watch is in sync. A change is taken up at once; while a pass runs, more
// changes gather for the next. Passes, audits and retries happen one after another, never side by side, and
// give way to the rest of the process while they last.

import type { ClusterState } from '../model/cluster-state.ts';
import type { NodeTraits } from '../model/endpoint-selection.ts';
import { FrontendClaims, type FrontendConflict } from '../model/frontend-claims.ts';
import type { ObjectKey } from '../model/objects.ts';
import { claimsOf, type ResolvedServicePort, resolve } from '../model/resolve.ts';
import { frontendKey } from '../model/service-port.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import { type Desired, planInParts, type Steps, stepCount } from '../plan/plan.ts';
import { SlotAllocator } from '../plan/slot-allocator.ts';
import { apply, type Failure } from './apply.ts';
import { type Audited, audit } from './audit.ts';
import { CoolingRuns } from './cooling-runs.ts';
import type { KernelTables } from './kernel-tables.ts';
import { type NodeState, reconcileNode } from './node-tables.ts';
import type { AuditReport, PassReport, ReconcilerObserver } from './observer.ts';
import { restore } from './restore.ts';
import { RetryQueue } from './retry-queue.ts';
import { inSlices } from './slices.ts';

/** The node, as far as tables and decisions depend on it. A new object each time that something changed. */
export interface NodeView {
  readonly traits: NodeTraits;
  /** undefined: not known yet, the tables stay as they are. */
  readonly state: NodeState | undefined;
}

const NODE_RETRY_MS = 1000;

/** A node without a name: nothing is local to it. */
const NOWHERE: NodeView = { traits: { name: '', zone: '', nodeIPs: [] }, state: undefined };

export class Reconciler {
  readonly #cluster: ClusterState;
  readonly #tables: KernelTables;
  readonly #observer: ReconcilerObserver;
  readonly #claims = new FrontendClaims();
  readonly #retries: RetryQueue;
  readonly #node: () => NodeView;
  #writtenNode: NodeState | undefined;
  #nodeFailures: readonly string[] = [];
  #retryNodeAtMs = 0;
  /** With what the tables hold and which slots are free, of which an audit makes a new reading. */
  readonly #state: Audited;
  #isCutShort = false;

  /**
   * Reads the tables as an earlier agent left them.
   *
   * @param node asked anew in each pass.
   */
  constructor(
    cluster: ClusterState,
    tables: KernelTables,
    observer: ReconcilerObserver,
    node: () => NodeView = () => NOWHERE,
    longestRetryMs?: number,
  ) {
    this.#node = node;
    this.#retries = new RetryQueue(longestRetryMs);
    this.#cluster = cluster;
    this.#tables = tables;
    this.#observer = observer;
    const { actual, runs } = restore(tables);
    this.#state = {
      cluster,
      tables,
      observer,
      retries: this.#retries,
      cooling: new CoolingRuns(
        () => tables.slots.settle(),
        (run) => this.#state.slots.free(run),
        (why) => observer.slotsKept?.(why),
      ),
      actual,
      slots: new SlotAllocator(tables.slots.capacity, runs),
      auditNode: () => this.#auditNode(),
      pass: (dirty, isFull) => this.#pass(dirty, isFull),
    };
  }

  get actual(): ActualTables {
    return this.#state.actual;
  }

  get slotsUsed(): number {
    return this.#state.slots.used;
  }

  get failures(): readonly Failure[] {
    return this.#retries.failures;
  }

  get conflicts(): readonly FrontendConflict[] {
    return this.#claims.conflicts;
  }

  /** What of the node's own tables could not be written, one line each. */
  get nodeFailures(): readonly string[] {
    return this.#nodeFailures;
  }

  /** When something failed: how long until it is worth another pass. */
  get retryInMs(): number | undefined {
    const ofServices = this.#retries.nextInMs();
    if (!this.#nodeFailures.length) return ofServices;
    const ofNode = Math.max(0, this.#retryNodeAtMs - performance.now());
    return Math.min(ofNode, ofServices ?? Infinity);
  }

  /** A pass ended in the middle, by what it threw: only an audit tells what the tables hold. */
  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /** The first pass, over all that the cluster and the tables hold. Only once the watches are in sync. */
  async reconcileAll(): Promise<PassReport> {
    const { report } = await this.#pass(
      new Set([...this.#cluster.takeDirty(), ...this.#state.actual.services()]),
      true,
    );
    return report;
  }

  /** A pass over what changed since the last one, and over failures whose time has come. */
  async reconcileChanges(): Promise<PassReport> {
    const { report } = await this.#pass(
      new Set([...this.#cluster.takeDirty(), ...this.#retries.takeDue()]),
    );
    return report;
  }

  /** Reads the kernel back and mends what is not as it was left. */
  async audit(): Promise<AuditReport> {
    const report = await audit(this.#state);
    this.#isCutShort = false;
    return report;
  }

  /**
   * Runs `body` while `frontends` of a Service that no cluster has are in the tables. What a crash leaves of
   * them goes with the first pass of the next agent. Must not run beside a pass.
   */
  async withTemporary(
    servicePorts: readonly ResolvedServicePort[],
    body: () => Promise<void>,
  ): Promise<void> {
    const all = Map.groupBy(servicePorts, ({ servicePort }) => servicePort.service);
    const { failures } = await this.#program(all);
    try {
      if (failures[0]) throw new Error(failures[0].message);
      await body();
    } finally {
      await this.#program(new Map([...all.keys()].map((service) => [service, []])));
    }
  }

  /** @returns how many writes it took. */
  #programNode(): number {
    const { state } = this.#node();
    const isDue = this.#nodeFailures.length > 0 && performance.now() >= this.#retryNodeAtMs;
    if (!state) return 0;
    if (state === this.#writtenNode && !isDue) return 0;
    const { steps, failures } = reconcileNode(state, this.#tables);
    this.#writtenNode = state;
    this.#nodeFailures = failures;
    if (failures.length) this.#retryNodeAtMs = performance.now() + NODE_RETRY_MS;
    return steps;
  }

  /** @returns how many writes it took to mend; what pends, or was refused and waits, is no repair. */
  #auditNode(): number {
    this.#programNode();
    if (this.#nodeFailures.length) return 0;
    this.#writtenNode = undefined;
    return this.#programNode();
  }

  /** What it throws, a read that was refused, loses no change: `dirty` is dirty again. */
  async #pass(
    dirty: Set<ObjectKey>,
    isFull = false,
  ): Promise<{ report: PassReport; steps: Steps }> {
    try {
      return await this.#passOver(dirty, isFull);
    } catch (error) {
      this.#isCutShort = true;
      this.#cluster.markDirty(dirty);
      throw error;
    }
  }

  async #passOver(
    dirty: Set<ObjectKey>,
    isFull: boolean,
  ): Promise<{ report: PassReport; steps: Steps }> {
    const started = performance.now();
    const nodeSteps = this.#programNode();
    const concerned = await inSlices(this.#concerned(dirty));
    const { steps, failures, udpBackendsGone } = await this.#program(this.#desired(concerned));
    this.#retries.record(concerned, failures);
    const report: PassReport = {
      isFull,
      services: concerned.size,
      changed: dirty,
      steps: nodeSteps + stepCount(steps),
      durationMs: performance.now() - started,
      udpBackendsGone,
      failures,
    };
    this.#observer.passed(report);
    return { report, steps };
  }

  async #program(
    desired: Desired,
  ): Promise<{ steps: Steps; failures: Failure[]; udpBackendsGone: number }> {
    const planned = await inSlices(planInParts(desired, this.#state.actual, this.#state.slots));
    // Before names go with them.
    const udpBackendsGone = planned.steps.removeMember.filter(
      ({ servicePortId }) => this.#state.actual.servicePort(servicePortId)?.protocol === 'UDP',
    ).length;
    try {
      const failures = await apply(
        planned,
        this.#state.slots.capacity,
        this.#tables,
        this.#state.actual,
      );
      for (const run of planned.allocated) {
        if (!this.#state.actual.isPublished(run)) this.#state.slots.free(run);
      }
      return { steps: planned.steps, failures, udpBackendsGone };
    } finally {
      // Otherwise slots that do not exist would be tried again, before others that do.
      this.#state.slots.shrink(this.#tables.slots.capacity);
      // However it ended: what no frontend names any more, programs may be reading still.
      this.#state.cooling.add(this.#state.actual.takeRetired());
    }
  }

  /**
   * The dirty Services, and each that a dirty one takes a frontend from or leaves one to. From here on, where something
   * yields, the cluster may change: what changes is dirty for the next pass, and until then nobody gets a frontend that
   * its claims do not have.
   */
  *#concerned(dirty: ReadonlySet<ObjectKey>): Generator<void, Set<ObjectKey>> {
    const concerned = new Set(dirty);
    for (const key of dirty) {
      const service = this.#cluster.service(key);
      const claims = service ? claimsOf(service) : [];
      const others = this.#claims.update(key, service?.creationTimestamp, claims);
      for (const other of others) concerned.add(other);
      yield;
    }
    for (const key of [...concerned]) {
      for (const heir of this.#heirs(key)) concerned.add(heir);
      yield;
    }
    return concerned;
  }

  /** Made one by one, as they are asked for: all at once would be more than the tables themselves. */
  #desired(services: ReadonlySet<ObjectKey>): Desired {
    const { traits } = this.#node();
    return {
      keys: () => services.keys(),
      get: (key) => this.#resolve(key, traits).map((port) => this.#withoutLost(key, port)),
    };
  }

  /** `port` without the frontends that another Service gets. */
  #withoutLost(service: ObjectKey, port: ResolvedServicePort): ResolvedServicePort {
    // Most of the time: nobody else claims anything, and its claims are of the Service as it is.
    if (!this.#claims.hasContests && !this.#cluster.isDirty(service)) return port;
    const isOwn = ({ frontend }: ResolvedServicePort['frontends'][number]) =>
      this.#claims.owner(frontendKey(frontend)) === service;
    if (port.frontends.every(isOwn)) return port;
    return { ...port, frontends: port.frontends.filter(isOwn) };
  }

  /** Services that own what `service` still has in the tables, because a write was refused: they take it over. */
  #heirs(service: ObjectKey): ObjectKey[] {
    const heirs: ObjectKey[] = [];
    for (const { id } of this.#state.actual.servicePortsOf(service)) {
      for (const { frontend } of this.#state.actual.frontendsOf(id)) {
        const owner = this.#claims.owner(frontendKey(frontend));
        if (owner !== undefined && owner !== service) heirs.push(owner);
      }
    }
    return heirs;
  }

  #resolve(key: ObjectKey, traits: NodeTraits): ResolvedServicePort[] {
    const service = this.#cluster.service(key);
    return service ? resolve(service, this.#cluster.endpointSlices(key), traits) : [];
  }
}
