// SPDX-License-Identifier: Apache-2.0
// How many changes the cluster has told of, how many of them wait, and since when: for metrics alone. Fed by
// cluster-state.ts, asked when a pass has ended. Nothing of it is kept with the objects. Whoever builds it brings the
// clock.
//
// A change waits until a pass that took up its Service has written everything of it.

import type { IpFamily } from './address.ts';
import type { ObjectKey } from './objects.ts';

/** A change of endpoints of which is known when that happened which caused it (semantics 1.4). */
export interface Trigger {
  readonly family: IpFamily;
  /** Milliseconds since 1970, by the clock of the control plane. */
  readonly atMs: number;
}

/** What a pass has brought into the tables. */
export interface ProgrammedChanges {
  /** One for each EndpointSlice that changed. */
  readonly triggers: readonly Trigger[];
  /** Of each Service that changed, when the agent first heard of it, by the tracker's clock. */
  readonly arrivalsMs: readonly number[];
}

/** Of one Service. */
interface Pending {
  readonly arrivedMs: number;
  endpointChanges: number;
  serviceChanges: number;
  readonly triggers: Trigger[];
}

/** Of one Service, between two passes; many slices of it may change at once. */
const MAX_TRIGGERS = 1000;

export class ChangeTracker {
  readonly #now: () => number;
  readonly #sinceMs: number;
  #endpointChanges = 0;
  #serviceChanges = 0;
  /** The first pass has ended. All that is listed before it waits for it, and is not timed. */
  #isStarted = false;
  /** No pass has taken them up yet. */
  #waiting = new Map<ObjectKey, Pending>();
  /** A pass has, and has not written them yet. */
  readonly #taken = new Map<ObjectKey, Pending>();

  /**
   * @param now milliseconds of a clock that never goes back.
   * @param sinceMs milliseconds since 1970: what was caused before is not timed, for the agent was not there.
   */
  constructor(now: () => number, sinceMs: number) {
    this.#now = now;
    this.#sinceMs = sinceMs;
  }

  /** Since the start. */
  get totals(): { readonly endpoints: number; readonly services: number } {
    return { endpoints: this.#endpointChanges, services: this.#serviceChanges };
  }

  get pending(): { readonly endpoints: number; readonly services: number } {
    if (!this.#isStarted) return this.totals;
    const all = [...this.#waiting.values(), ...this.#taken.values()];
    return {
      endpoints: all.reduce((sum, { endpointChanges }) => sum + endpointChanges, 0),
      services: all.reduce((sum, { serviceChanges }) => sum + serviceChanges, 0),
    };
  }

  serviceChanged(service: ObjectKey): void {
    this.#serviceChanges += 1;
    if (this.#isStarted) this.#pendingOf(service).serviceChanges += 1;
  }

  /** @param triggeredMs when that happened which caused the change, if known. */
  endpointsChanged(service: ObjectKey, family: IpFamily, triggeredMs?: number): void {
    this.#endpointChanges += 1;
    if (!this.#isStarted) return;
    const pending = this.#pendingOf(service);
    pending.endpointChanges += 1;
    if (triggeredMs === undefined || triggeredMs < this.#sinceMs) return;
    if (pending.triggers.length < MAX_TRIGGERS)
      pending.triggers.push({ family, atMs: triggeredMs });
  }

  /** A slice is gone. What it said of causes is about its last change but this one: nothing is timed by it. */
  endpointsGone(service: ObjectKey): void {
    this.#endpointChanges += 1;
    if (!this.#isStarted) return;
    const pending = this.#pendingOf(service);
    pending.endpointChanges += 1;
    pending.triggers.length = 0;
  }

  /** A pass takes up all that changed by now. */
  taken(): void {
    for (const [service, waiting] of this.#waiting) {
      const before = this.#taken.get(service);
      this.#taken.set(service, before ? joined(before, waiting) : waiting);
    }
    this.#waiting = new Map();
  }

  /** A pass has ended. @param isProgrammed whether it wrote all there was of a Service. */
  programmed(isProgrammed: (service: ObjectKey) => boolean): ProgrammedChanges {
    this.#isStarted = true;
    const triggers: Trigger[] = [];
    const arrivalsMs: number[] = [];
    for (const [service, pending] of this.#taken) {
      if (!isProgrammed(service)) continue;
      this.#taken.delete(service);
      triggers.push(...pending.triggers);
      arrivalsMs.push(pending.arrivedMs);
    }
    return { triggers, arrivalsMs };
  }

  #pendingOf(service: ObjectKey): Pending {
    const known = this.#waiting.get(service);
    if (known) return known;
    const pending = {
      arrivedMs: this.#now(),
      endpointChanges: 0,
      serviceChanges: 0,
      triggers: [],
    };
    this.#waiting.set(service, pending);
    return pending;
  }
}

function joined(before: Pending, after: Pending): Pending {
  return {
    arrivedMs: before.arrivedMs,
    endpointChanges: before.endpointChanges + after.endpointChanges,
    serviceChanges: before.serviceChanges + after.serviceChanges,
    triggers: [...before.triggers, ...after.triggers].slice(0, MAX_TRIGGERS),
  };
}
