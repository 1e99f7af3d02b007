// SPDX-License-Identifier: Apache-2.0
// The loop: wait for a change, resolve what changed, plan, apply, remember what failed, again.
//
// Nothing is written before every watch is in sync. A change is taken up at once; while a pass runs, more
// changes gather for the next. Passes, audits and retries happen one after another, never side by side.

import type { ClusterState } from '../model/cluster-state.ts';
import { FrontendClaims, type FrontendConflict } from '../model/frontend-claims.ts';
import type { ObjectKey } from '../model/objects.ts';
import { type ResolvedFrontend, resolve } from '../model/resolve.ts';
import { frontendKey } from '../model/service-port.ts';
import type { ActualTables } from '../plan/actual-tables.ts';
import { type Desired, plan, stepCount } from '../plan/plan.ts';
import type { SlotAllocator } from '../plan/slot-allocator.ts';
import { apply, type Failure } from './apply.ts';
import { CoolingRuns } from './cooling-runs.ts';
import type { KernelTables } from './kernel-tables.ts';
import { restore } from './restore.ts';
import { RetryQueue } from './retry-queue.ts';

export interface PassReport {
  /** Services that were looked at. */
  readonly services: number;
  /** Table writes. */
  readonly steps: number;
  readonly durationMs: number;
  readonly failures: readonly Failure[];
}

export interface AuditReport {
  /** Table writes that it took to mend what somebody else had changed. */
  readonly repairs: number;
}

/** Told of what happens; must not throw. */
export interface ReconcilerObserver {
  passed(report: PassReport): void;
  audited(report: AuditReport): void;
}

export class Reconciler {
  readonly #cluster: ClusterState;
  readonly #tables: KernelTables;
  readonly #observer: ReconcilerObserver;
  readonly #claims = new FrontendClaims();
  readonly #retries = new RetryQueue();
  #actual: ActualTables;
  #slots: SlotAllocator;
  readonly #cooling: CoolingRuns;

  /** Reads the tables as an earlier agent left them. */
  constructor(cluster: ClusterState, tables: KernelTables, observer: ReconcilerObserver) {
    this.#cluster = cluster;
    this.#tables = tables;
    this.#observer = observer;
    ({ actual: this.#actual, slots: this.#slots } = restore(tables, []));
    this.#cooling = new CoolingRuns(
      () => tables.slots.settle(),
      (run) => this.#slots.free(run),
    );
  }

  get actual(): ActualTables {
    return this.#actual;
  }

  get slotsUsed(): number {
    return this.#slots.used;
  }

  get failures(): readonly Failure[] {
    return this.#retries.failures;
  }

  get conflicts(): readonly FrontendConflict[] {
    return this.#claims.conflicts;
  }

  /** When something failed: how long until it is worth another pass. */
  get retryInMs(): number | undefined {
    return this.#retries.nextInMs();
  }

  /** The first pass, over all that the cluster and the tables hold. Only once the watches are in sync. */
  async reconcileAll(): Promise<PassReport> {
    return this.#pass(new Set([...this.#cluster.takeDirty(), ...this.#actual.services()]));
  }

  /** A pass over what changed since the last one, and over failures whose time has come. */
  async reconcileChanges(): Promise<PassReport> {
    return this.#pass(new Set([...this.#cluster.takeDirty(), ...this.#retries.takeDue()]));
  }

  /** Reads the kernel back and mends what is not as it was left. */
  async audit(): Promise<AuditReport> {
    ({ actual: this.#actual, slots: this.#slots } = restore(this.#tables, this.#cooling.runs));
    const changed = this.#cluster.takeDirty();
    const services = new Set([...this.#cluster.services(), ...this.#actual.services()]);
    const pending = [...changed, ...this.#retries.failures.map(({ service }) => service)];
    for (const service of pending) services.delete(service);
    const { steps } = await this.#pass(services);
    const report = { repairs: steps };
    this.#observer.audited(report);
    if (changed.size) await this.#pass(changed);
    return report;
  }

  /**
   * Runs `body` while `frontends` of a Service that no cluster has are in the tables. What a crash leaves of
   * them goes with the first pass of the next agent. Must not run beside a pass.
   */
  async withTemporary(
    frontends: readonly ResolvedFrontend[],
    body: () => Promise<void>,
  ): Promise<void> {
    const services = new Set(frontends.map(({ servicePort }) => servicePort.service));
    const all = [...services].map((service) => {
      return [service, frontends.filter((f) => f.servicePort.service === service)] as const;
    });
    const [failure] = (await this.#program(new Map(all))).failures;
    try {
      if (failure) throw new Error(failure.message);
      await body();
    } finally {
      await this.#program(new Map(all.map(([service]) => [service, []])));
    }
  }

  async #pass(dirty: Set<ObjectKey>): Promise<PassReport> {
    const started = performance.now();
    const desired = this.#desired(dirty);
    const { steps, failures } = await this.#program(desired);
    this.#retries.record(desired.keys(), failures);
    const report: PassReport = {
      services: desired.size,
      steps,
      durationMs: performance.now() - started,
      failures,
    };
    this.#observer.passed(report);
    return report;
  }

  async #program(desired: Desired): Promise<{ steps: number; failures: Failure[] }> {
    const planned = plan(desired, this.#actual, this.#slots);
    const failures = await apply(planned, this.#slots.capacity, this.#tables, this.#actual);
    for (const run of planned.allocated) {
      if (!this.#actual.isPublished(run)) this.#slots.free(run);
    }
    // Otherwise slots that do not exist would be tried again, before others that do.
    this.#slots.shrink(this.#tables.slots.capacity);
    this.#cooling.add(this.#actual.takeRetired());
    return { steps: stepCount(planned.steps), failures };
  }

  /** What each dirty Service is to have, and each that a dirty one takes a frontend from or leaves one to. */
  #desired(dirty: ReadonlySet<ObjectKey>): Map<ObjectKey, readonly ResolvedFrontend[]> {
    const resolved = new Map<ObjectKey, readonly ResolvedFrontend[]>();
    for (const key of dirty) {
      resolved.set(key, this.#resolve(key));
      const claims = (resolved.get(key) ?? []).map(({ frontend }) => frontendKey(frontend));
      const created = this.#cluster.service(key)?.creationTimestamp;
      for (const other of this.#claims.update(key, created, claims)) {
        if (!resolved.has(other)) resolved.set(other, this.#resolve(other));
      }
    }
    for (const key of resolved.keys()) {
      for (const heir of this.#heirs(key)) {
        if (!resolved.has(heir)) resolved.set(heir, this.#resolve(heir));
      }
    }
    for (const [key, frontends] of resolved) {
      resolved.set(
        key,
        frontends.filter(({ frontend }) => this.#claims.owner(frontendKey(frontend)) === key),
      );
    }
    return resolved;
  }

  /** Services that own what `service` still has in the tables, because a write was refused: they take it over. */
  #heirs(service: ObjectKey): ObjectKey[] {
    return this.#actual
      .servicePortsOf(service)
      .flatMap(({ id }) => this.#actual.frontendsOf(id))
      .flatMap(({ frontend }) => this.#claims.owner(frontendKey(frontend)) ?? [])
      .filter((owner) => owner !== service);
  }

  #resolve(key: ObjectKey): ResolvedFrontend[] {
    const service = this.#cluster.service(key);
    return service ? resolve(service, this.#cluster.endpointSlices(key)) : [];
  }
}
