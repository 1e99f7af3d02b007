// SPDX-License-Identifier: Apache-2.0
// Desired x actual -> ordered steps, for the Services that changed. Pure but for the slot allocator, which
// it takes new runs from.
//
// Any prefix of the steps leaves every look-up valid: names and members exist before a frontend asks for
// them, slots are written before the one write that publishes them, and what is no longer used goes last.

import type { IpPrefix } from '../model/address.ts';
import type { ObjectKey } from '../model/objects.ts';
import type { Member, ResolvedFrontend, ResolvedServicePort, Route } from '../model/resolve.ts';
import { type RunContent, RunContents } from '../model/run-content.ts';
import {
  type Backend,
  type BackendSetKey,
  backendKey,
  backendSetKey,
  type Frontend,
  type FrontendKey,
  frontendKey,
  isDialled,
  type FrontendKind as KindName,
  type ServicePortKey,
  servicePortKey,
} from '../model/service-port.ts';
import { FrontendFlags, FrontendKind, MemberFlags, type SlotRun } from '../sys/layout.gen.ts';
import type {
  ActualTables,
  FrontendEntry,
  MemberEntry,
  NamedRun,
  ServicePortEntry,
} from './actual-tables.ts';
import type { SlotAllocator } from './slot-allocator.ts';

interface MemberStep extends MemberEntry {
  readonly servicePortId: number;
}

interface SourceRangeStep {
  readonly servicePortId: number;
  readonly range: IpPrefix;
}

/** What each step does to the tables. A step belongs to a Service: when it fails, that Service is retried. */
interface StepArguments {
  nameServicePort: ServicePortEntry;
  addSourceRange: SourceRangeStep;
  /** In the lists that it has to be in before or after the change. */
  widenMember: MemberStep;
  writeRun: { readonly run: SlotRun; readonly backends: readonly Backend[] };
  publishFrontend: FrontendEntry;
  deleteFrontend: { readonly frontend: Frontend };
  /** With the flags that it has to have after the change. */
  narrowMember: MemberStep;
  removeMember: { readonly servicePortId: number; readonly backend: Backend };
  removeSourceRange: SourceRangeStep;
  forgetServicePort: ServicePortEntry;
}

export type StepKind = keyof StepArguments;

/** Steps of a kind come together, in this order of kinds. */
export const STEP_ORDER = [
  'nameServicePort',
  'addSourceRange',
  'widenMember',
  'writeRun',
  'publishFrontend',
  'deleteFrontend',
  'narrowMember',
  'removeMember',
  'removeSourceRange',
  'forgetServicePort',
] as const satisfies readonly StepKind[];

export type StepOf<K extends StepKind> = { readonly service: ObjectKey } & StepArguments[K];

export type Steps = { readonly [K in StepKind]: StepOf<K>[] };

export interface Plan {
  readonly steps: Steps;
  /** Runs taken from the allocator. */
  readonly allocated: readonly SlotRun[];
}

/**
 * What each Service that changed is to have; nothing when it is gone. Each is asked for once: what was made for one need
 * not be kept while the others are planned.
 */
export type Desired = Pick<ReadonlyMap<ObjectKey, readonly ResolvedServicePort[]>, 'keys' | 'get'>;

export function stepCount(steps: Steps): number {
  return STEP_ORDER.reduce((count, kind) => count + steps[kind].length, 0);
}

/** @param slots grows when it must; its capacity then exceeds the kernel's, which apply makes good first. */
export function plan(desired: Desired, actual: ActualTables, slots: SlotAllocator): Plan {
  const planning = planInParts(desired, actual, slots);
  for (;;) {
    const { done, value } = planning.next();
    if (done) return value;
  }
}

/** {@link plan}, which may rest after each Service. Nobody may write to the tables or to `actual` meanwhile. */
export function* planInParts(
  desired: Desired,
  actual: ActualTables,
  slots: SlotAllocator,
): Generator<void, Plan> {
  const planner = new Planner(actual, slots);
  for (const service of desired.keys()) {
    planner.ensure(service, desired.get(service) ?? []);
    yield;
  }
  for (const service of desired.keys()) {
    planner.remove(service);
    yield;
  }
  return planner;
}

class Planner implements Plan {
  readonly steps: Steps = {
    nameServicePort: [],
    addSourceRange: [],
    widenMember: [],
    writeRun: [],
    publishFrontend: [],
    deleteFrontend: [],
    narrowMember: [],
    removeMember: [],
    removeSourceRange: [],
    forgetServicePort: [],
  };
  readonly allocated: SlotRun[] = [];
  readonly #actual: ActualTables;
  readonly #slots: SlotAllocator;
  /** Of those that the tables have. */
  readonly #wantedPorts = new Set<ServicePortKey>();
  readonly #wantedFrontends = new Set<FrontendKey>();

  constructor(actual: ActualTables, slots: SlotAllocator) {
    this.#actual = actual;
    this.#slots = slots;
  }

  /** Everything that `service` is to have. */
  ensure(service: ObjectKey, servicePorts: readonly ResolvedServicePort[]): void {
    for (const wanted of servicePorts) {
      if (!wanted.frontends.length) continue;
      const id = this.#ensureName(service, wanted);
      const isRestricted = wanted.frontends.some((frontend) => frontend.isRestricted);
      this.#ensureSourceRanges(service, id, isRestricted ? wanted.sourceRanges : []);
      this.#ensureMembers(service, id, wanted.members);
      this.#ensureFrontends(service, id, wanted);
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
      this.#ensureMembers(service, entry.id, []);
      this.#ensureSourceRanges(service, entry.id, []);
      this.steps.forgetServicePort.push({ service, ...entry });
    }
  }

  #ensureName(service: ObjectKey, wanted: ResolvedServicePort): number {
    const key = servicePortKey(wanted.servicePort);
    const known = this.#actual.servicePorts.get(key);
    if (known) {
      this.#wantedPorts.add(key);
      return known.id;
    }
    const id = this.#actual.nextServicePortId();
    this.steps.nameServicePort.push({ service, id, servicePort: wanted.servicePort });
    return id;
  }

  /** In between both the old and the new ranges are let in: each client meets its old verdict or its new one. */
  #ensureSourceRanges(
    service: ObjectKey,
    servicePortId: number,
    wanted: readonly IpPrefix[],
  ): void {
    const before = this.#actual.sourceRangesOf(servicePortId);
    if (!before.length && !wanted.length) return;
    const present = new Set(before);
    for (const range of wanted) {
      if (!present.delete(range)) {
        this.steps.addSourceRange.push({ service, servicePortId, range });
      }
    }
    for (const range of present) {
      this.steps.removeSourceRange.push({ service, servicePortId, range });
    }
  }

  #ensureMembers(service: ObjectKey, servicePortId: number, members: readonly Member[]): void {
    const present = this.#actual.membersOf(servicePortId);
    if (!present.length && !members.length) return;
    const wanted = new Map(members.map((member) => [backendKey(member.backend), member]));
    for (const { backend, flags: before } of present) {
      const key = backendKey(backend);
      const member = wanted.get(key);
      wanted.delete(key);
      if (!member) {
        this.steps.removeMember.push({ service, servicePortId, backend });
        continue;
      }
      const flags = memberFlags(member);
      const wide = widened(before, flags);
      if (wide !== before) {
        this.steps.widenMember.push({ service, servicePortId, backend, flags: wide });
      }
      if (wide !== flags) this.steps.narrowMember.push({ service, servicePortId, backend, flags });
    }
    for (const member of wanted.values()) {
      const { backend } = member;
      const flags = memberFlags(member);
      this.steps.widenMember.push({ service, servicePortId, backend, flags });
    }
  }

  #ensureFrontends(service: ObjectKey, servicePortId: number, wanted: ResolvedServicePort): void {
    const runs = new Map<BackendSetKey | undefined, NamedRun>();
    for (const { inside, outside } of this.#actual.frontendsOf(servicePortId)) {
      runs.set(inside.backendSet, inside).set(outside.backendSet, outside);
    }
    const contents = new RunContents();
    const name = ({ key, slots }: RunContent): NamedRun => {
      if (!slots.length) return NO_BACKENDS;
      const named = runs.get(key) ?? { run: this.#writeRun(service, slots), backendSet: key };
      runs.set(key, named);
      return named;
    };
    const { affinityTimeoutSeconds, balancing } = wanted;
    for (const resolved of wanted.frontends) {
      const { frontend, inside, outside } = resolved;
      const key = frontendKey(frontend);
      const before = this.#actual.frontends.get(key);
      if (before) this.#wantedFrontends.add(key);
      const kind = KINDS[resolved.kind];
      const flags = frontendFlags(resolved, wanted);
      const toInside = contents.of(inside, balancing);
      const toOutside = outside === inside ? toInside : contents.of(outside, balancing);
      const isPublished =
        before !== undefined &&
        before.servicePortId === servicePortId &&
        before.kind === kind &&
        before.flags === flags &&
        before.affinityTimeoutSeconds === affinityTimeoutSeconds &&
        before.inside.backendSet === toInside.key &&
        before.outside.backendSet === toOutside.key;
      if (isPublished) continue;
      this.steps.publishFrontend.push({
        service,
        frontend,
        servicePortId,
        kind,
        flags,
        affinityTimeoutSeconds,
        inside: name(toInside),
        outside: name(toOutside),
      });
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

/** Half of all frontends have it. */
const NO_BACKENDS: NamedRun = { run: { first: 0, count: 0 }, backendSet: backendSetKey([]) };

/** The number in the tables for each word of the model. */
export const KINDS: Readonly<Record<KindName, FrontendKind>> = {
  clusterIP: FrontendKind.CLUSTER_IP,
  externalIP: FrontendKind.EXTERNAL_IP,
  loadBalancer: FrontendKind.LOAD_BALANCER,
  nodePort: FrontendKind.NODE_PORT,
  otherPorts: FrontendKind.OTHER_PORTS,
  echo: FrontendKind.ECHO,
};

function frontendFlags(
  { kind, inside, outside, isRestricted }: ResolvedFrontend,
  { balancing, forgetsMembers }: ResolvedServicePort,
): FrontendFlags {
  return (
    (forgetsMembers && isDialled(kind) ? FrontendFlags.FORGETS : 0) |
    (balancing === 'maglev' && isDialled(kind) ? FrontendFlags.MAGLEV : 0) |
    (drops(inside) ? FrontendFlags.DROPS_INSIDE : 0) |
    (drops(outside) ? FrontendFlags.DROPS_OUTSIDE : 0) |
    (inside.list === 'local' ? FrontendFlags.LOCAL_INSIDE : 0) |
    (outside.list === 'local' ? FrontendFlags.LOCAL_OUTSIDE : 0) |
    (isRestricted ? FrontendFlags.RESTRICTED : 0)
  );
}

function drops({ backends, onEmpty }: Route): boolean {
  return backends.length === 0 && onEmpty === 'drop';
}

function memberFlags({ isInCluster, isInLocal, isOnNode }: Member): MemberFlags {
  return (
    (isInCluster ? MemberFlags.IN_CLUSTER : 0) |
    (isInLocal ? MemberFlags.IN_LOCAL : 0) |
    (isOnNode ? MemberFlags.ON_NODE : 0)
  );
}

/** What is allowed before or after; where it is, as it is now: that allows nothing. */
function widened(before: MemberFlags, after: MemberFlags): MemberFlags {
  return (before & ~MemberFlags.ON_NODE) | after;
}
