// SPDX-License-Identifier: Apache-2.0
// The loop: wait for a change, resolve what changed, plan, apply, remember what failed, again.
//
// Nothing is written before every watch is in sync. A change is taken up at once; while a pass runs, more
// changes gather for the next. Passes happen one after another, never side by side, also those between the pieces of an
// audit, and give way to the rest of the process while they last.

import type { ClusterState } from '../model/cluster-state.ts';
import type { NodeTraits } from '../model/endpoint-selection.ts';
import type { FrontendConflict } from '../model/frontend-claims.ts';
import type { ObjectKey } from '../model/objects.ts';
import type { ResolvedServicePort } from '../model/resolve.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import { type Desired, planInParts, type Steps, stepCount } from '../plan/plan.ts';
import { SlotAllocator } from '../plan/slot-allocator.ts';
import { apply, type Failure } from './apply.ts';
import { type Audited, audit } from './audit.ts';
import { CoolingRuns } from './cooling-runs.ts';
import { fillOf, roomSince } from './full-tables.ts';
import type { KernelTables } from './kernel-tables.ts';
import type { NodeState } from './node-tables.ts';
import { NodeWriter } from './node-writer.ts';
import type { AuditReport, PassReport, ReconcilerObserver } from './observer.ts';
import { restore } from './restore.ts';
import { RetryQueue } from './retry-queue.ts';
import { inSlices } from './slices.ts';
import { WantedServices } from './wanted-services.ts';

/** The node, as far as tables and decisions depend on it. A new object each time that something changed. */
export interface NodeView {
  readonly traits: NodeTraits;
  /** undefined: not known yet, the tables stay as they are. */
  readonly state: NodeState | undefined;
}

/** A node without a name: nothing is local to it. */
const NOWHERE: NodeView = { traits: { name: '', zone: '', nodeIPs: [] }, state: undefined };

export class Reconciler {
  readonly #cluster: ClusterState;
  readonly #tables: KernelTables;
  readonly #observer: ReconcilerObserver;
  readonly #wanted: WantedServices;
  readonly #retries: RetryQueue;
  readonly #node: NodeWriter;
  /** With what the tables hold and which slots are free, of which an audit makes a new reading. */
  readonly #state: Audited;
  #isCutShort = false;
  #auditCpuMs = 0;

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
    this.#node = new NodeWriter(() => node().state, tables);
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
      auditNode: () => this.#node.audit(),
      pass: (dirty, isFull) => this.#pass(dirty, isFull),
      passDue: () => this.#passDue(),
    };
    this.#wanted = new WantedServices(
      cluster,
      () => node().traits,
      () => this.#state.actual,
    );
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
    return this.#wanted.conflicts;
  }

  /** What of the node's own tables could not be written, one line each. */
  get nodeFailures(): readonly string[] {
    return this.#node.failures;
  }

  /** When something failed: how long until it is worth another pass. */
  get retryInMs(): number | undefined {
    const [ofServices, ofNode] = [this.#retries.nextInMs(), this.#node.retryInMs];
    if (ofServices === undefined || ofNode === undefined) return ofServices ?? ofNode;
    return Math.min(ofServices, ofNode);
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

  /**
   * Reads the kernel back, piece by piece with passes in between, and mends what is not as it was left.
   *
   * @param signal calls it off.
   */
  async audit(signal = new AbortController().signal): Promise<AuditReport> {
    const { repairs, cpuMs } = await audit(this.#state, this.#isCutShort, signal);
    this.#auditCpuMs = cpuMs;
    this.#isCutShort = false;
    return { repairs };
  }

  /** What the last audit took to look at the tables, without mending, in milliseconds of a CPU. */
  get auditCpuMs(): number {
    return this.#auditCpuMs;
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

  async #passDue(): Promise<void> {
    const isDue = this.#cluster.hasDirty || this.#node.hasChanged || this.retryInMs === 0;
    if (isDue) await this.reconcileChanges();
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
    const nodeSteps = this.#node.program();
    const concerned = await inSlices(this.#wanted.concernedBy(dirty));
    const before = fillOf(this.#state.actual);
    const { steps, failures, udpBackendsGone } = await this.#program(
      this.#wanted.desired(concerned),
    );
    this.#retries.record(concerned, failures);
    this.#retries.hurry(roomSince(before, this.#state.actual));
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
}
