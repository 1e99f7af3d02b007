// SPDX-License-Identifier: Apache-2.0
// Desired x actual -> ordered steps, for the Services that changed. Pure but for the slot allocator, which
// it takes new runs from.
//
// Any prefix of the steps leaves every look-up valid: names and members exist before a frontend asks for
// them, slots are written before the one write that publishes them, and what is no longer used goes last.

import type { ObjectKey } from '../model/objects.ts';
import type { ResolvedFrontend } from '../model/resolve.ts';
import {
  type Backend,
  backendKey,
  backendSetKey,
  type Frontend,
  type FrontendKey,
  frontendKey,
  type ServicePortKey,
  servicePortKey,
} from '../model/service-port.ts';
import { MemberState, type SlotRun } from '../sys/layout.gen.ts';
import type { ActualTables, FrontendEntry, ServicePortEntry } from './actual-tables.ts';
import type { SlotAllocator } from './slot-allocator.ts';

/** What each step does to the tables. A step belongs to a Service: when it fails, that Service is retried. */
interface StepArguments {
  nameServicePort: ServicePortEntry;
  addMember: { readonly servicePortId: number; readonly backend: Backend };
  writeRun: { readonly run: SlotRun; readonly backends: readonly Backend[] };
  publishFrontend: FrontendEntry;
  deleteFrontend: { readonly frontend: Frontend };
  removeMember: { readonly servicePortId: number; readonly backend: Backend };
  forgetServicePort: ServicePortEntry;
}

export type StepKind = keyof StepArguments;

/** Steps of a kind come together, in this order of kinds. */
export const STEP_ORDER = [
  'nameServicePort',
  'addMember',
  'writeRun',
  'publishFrontend',
  'deleteFrontend',
  'removeMember',
  'forgetServicePort',
] as const satisfies readonly StepKind[];

export type StepOf<K extends StepKind> = { readonly service: ObjectKey } & StepArguments[K];

export type Steps = { readonly [K in StepKind]: StepOf<K>[] };

export interface Plan {
  readonly steps: Steps;
  /** Runs taken from the allocator. */
  readonly allocated: readonly SlotRun[];
}

/** What each Service that changed is to have; nothing when it is gone. */
export type Desired = ReadonlyMap<ObjectKey, readonly ResolvedFrontend[]>;

export function stepCount(steps: Steps): number {
  return STEP_ORDER.reduce((count, kind) => count + steps[kind].length, 0);
}

/** @param slots grows when it must; its capacity then exceeds the kernel's, which apply makes good first. */
export function plan(desired: Desired, actual: ActualTables, slots: SlotAllocator): Plan {
  const planner = new Planner(actual, slots);
  for (const [service, frontends] of desired) planner.ensure(service, frontends);
  for (const service of desired.keys()) planner.remove(service);
  return planner;
}

class Planner implements Plan {
  readonly steps: Steps = {
    nameServicePort: [],
    addMember: [],
    writeRun: [],
    publishFrontend: [],
    deleteFrontend: [],
    removeMember: [],
    forgetServicePort: [],
  };
  readonly allocated: SlotRun[] = [];
  readonly #actual: ActualTables;
  readonly #slots: SlotAllocator;
  readonly #wantedPorts = new Set<ServicePortKey>();
  readonly #wantedFrontends = new Set<FrontendKey>();

  constructor(actual: ActualTables, slots: SlotAllocator) {
    this.#actual = actual;
    this.#slots = slots;
  }

  /** Everything that `service` is to have. */
  ensure(service: ObjectKey, frontends: readonly ResolvedFrontend[]): void {
    const byPort = Map.groupBy(frontends, ({ servicePort }) => servicePortKey(servicePort));
    for (const [key, ofPort] of byPort) {
      this.#wantedPorts.add(key);
      const id = this.#ensureName(service, key, ofPort);
      this.#ensureMembers(service, id, ofPort);
      this.#ensureFrontends(service, id, ofPort);
    }
  }

  /** Everything of `service` that no longer has a place. Only after every {@link ensure}. */
  remove(service: ObjectKey): void {
    for (const entry of this.#actual.servicePortsOf(service)) {
      for (const { frontend } of this.#actual.frontendsOf(entry.id)) {
        if (this.#wantedFrontends.has(frontendKey(frontend))) continue;
        this.steps.deleteFrontend.push({ service, frontend });
      }
      if (this.#wantedPorts.has(servicePortKey(entry.servicePort))) continue;
      for (const { backend } of this.#actual.membersOf(entry.id)) {
        this.steps.removeMember.push({ service, servicePortId: entry.id, backend });
      }
      this.steps.forgetServicePort.push({ service, ...entry });
    }
  }

  #ensureName(
    service: ObjectKey,
    key: ServicePortKey,
    ofPort: readonly ResolvedFrontend[],
  ): number {
    const known = this.#actual.servicePorts.get(key);
    if (known) return known.id;
    const id = this.#actual.nextServicePortId();
    const [{ servicePort }] = ofPort as [ResolvedFrontend];
    this.steps.nameServicePort.push({ service, id, servicePort });
    return id;
  }

  #ensureMembers(
    service: ObjectKey,
    servicePortId: number,
    ofPort: readonly ResolvedFrontend[],
  ): void {
    const wanted = new Map(
      ofPort
        .filter(isRemembered)
        .flatMap(({ backends }) => backends.map((backend) => [backendKey(backend), backend])),
    );
    const present = new Set<string>();
    for (const { backend, state } of this.#actual.membersOf(servicePortId)) {
      if (!wanted.has(backendKey(backend))) {
        this.steps.removeMember.push({ service, servicePortId, backend });
      } else if (state === MemberState.ELIGIBLE) {
        present.add(backendKey(backend));
      }
    }
    for (const [id, backend] of wanted) {
      if (!present.has(id)) this.steps.addMember.push({ service, servicePortId, backend });
    }
  }

  #ensureFrontends(
    service: ObjectKey,
    servicePortId: number,
    ofPort: readonly ResolvedFrontend[],
  ): void {
    const runs = new Map(
      this.#actual.frontendsOf(servicePortId).map((entry) => [entry.backendSet, entry.run]),
    );
    for (const { frontend, backends } of ofPort) {
      const key = frontendKey(frontend);
      const backendSet = backendSetKey(backends);
      this.#wantedFrontends.add(key);
      const before = this.#actual.frontends.get(key);
      if (before?.servicePortId === servicePortId && before.backendSet === backendSet) continue;
      const run = runs.get(backendSet) ?? this.#writeRun(service, backends);
      runs.set(backendSet, run);
      this.steps.publishFrontend.push({ service, frontend, servicePortId, run, backendSet });
    }
  }

  #writeRun(service: ObjectKey, backends: readonly Backend[]): SlotRun {
    const run = this.#allocate(backends.length);
    if (run.count === 0) return run;
    this.allocated.push(run);
    this.steps.writeRun.push({ service, run, backends });
    return run;
  }

  #allocate(count: number): SlotRun {
    for (;;) {
      const run = this.#slots.allocate(count);
      if (run) return run;
      this.#slots.grow(Math.max(this.#slots.capacity, count) * 2);
    }
  }
}

/** Whether clients hold on to a backend beyond one connection: unconnected UDP does. */
function isRemembered({ servicePort }: ResolvedFrontend): boolean {
  return servicePort.protocol === 'UDP';
}
