// SPDX-License-Identifier: Apache-2.0
// What the cluster looks like right now, as the watches last said, and which Services that touched.
// Sources write into it and do nothing else; the reconcile loop reads it (invariant: a watch
// callback does no I/O, it marks dirty).

import { isDeepStrictEqual } from 'node:util';
import type { IpAddress, IpPrefix } from './address.ts';
import type { ChangeTracker } from './change-tracker.ts';
import { forbiddenExternalIps, forbiddenReason } from './external-ips.ts';
import { Groups } from './groups.ts';
import {
  type EndpointSliceSpec,
  type NodeSpec,
  type ObjectKey,
  objectKey,
  type ServiceCidrSpec,
  type ServiceSpec,
} from './objects.ts';

/** The kinds that must be complete before the first kernel write. */
export const REQUIRED_KINDS = ['Service', 'EndpointSlice'] as const;
/** All kinds. Of Nodes there is only the agent's own. */
export const WATCHED_KINDS = [...REQUIRED_KINDS, 'Node', 'ServiceCIDR'] as const;
export type WatchedKind = (typeof WATCHED_KINDS)[number];

/** What was left out, wholly or in part, and why: shown by `status`, counted by a metric. */
export interface SkippedObject {
  readonly kind: WatchedKind | 'Manifest';
  /** namespace/name of an object, or its name alone where it has no namespace; the path of a manifest. */
  readonly key: string;
  readonly reason: string;
}

/** What a source read out of one API object. */
export type Parsed<Spec> =
  /** `leftOut`: some part makes no sense and is not in `spec`; which one, and why. */
  | {
      readonly spec: Spec;
      readonly leftOut?: string;
      /** When that happened which made the object as it is, in milliseconds since 1970; only EndpointSlices say. */
      readonly triggeredMs?: number;
    }
  /**
   * Rightly nothing to do: headless, ExternalName, FQDN slices, another proxy's. `foreign`: addresses that
   * another proxy serves, and that are to be left alone.
   */
  | { readonly ignored: string; readonly foreign?: readonly IpAddress[] }
  /** Makes no sense: skipped by name. The object's last good form, if there was one, stays in force. */
  | { readonly invalid: string };

/**
 * Where a source puts objects. Calls are synchronous, cheap, and may come in any order of kinds. A key is
 * unique within its kind: namespace/name, or the name alone of what has no namespace.
 */
export interface ObjectSink {
  upsertService(key: ObjectKey, parsed: Parsed<ServiceSpec>): void;
  upsertEndpointSlice(key: ObjectKey, parsed: Parsed<EndpointSliceSpec>): void;
  /** The agent's own Node; no other. */
  upsertNode(name: string, parsed: Parsed<NodeSpec>): void;
  upsertServiceCidr(name: string, parsed: Parsed<ServiceCidrSpec>): void;
  remove(kind: WatchedKind, key: string): void;
  /**
   * A complete list of `kind` has been delivered through upserts: whatever the sink holds of that kind
   * and is not in `present` is gone. The first call for a kind makes it synced.
   */
  listed(kind: WatchedKind, present: ReadonlySet<string>): void;
  /** Of `kind`, of which nothing has been listed yet, there may be something, but it is not to be had. Nobody waits for it. */
  unavailable(kind: WatchedKind): void;
  /** A manifest, by its path, cannot be taken as it stands, and why; without a reason: it can again. */
  noteManifest(path: string, reason?: string): void;
}

export class ClusterState implements ObjectSink {
  readonly #services = new Map<ObjectKey, ServiceSpec>();
  readonly #slices = new Map<ObjectKey, EndpointSliceSpec>();
  /** By Service: all in its namespace, and so told apart by name. */
  readonly #slicesOfService = new Groups<ObjectKey, string, EndpointSliceSpec>(({ name }) => name);
  #node: NodeSpec | undefined;
  readonly #serviceCidrs = new Map<string, ServiceCidrSpec>();
  readonly #foreign = new Map<ObjectKey, readonly IpAddress[]>();
  #nodeRevision = 0;
  readonly #skipped = new Map<string, SkippedObject>();
  readonly #listed = new Set<WatchedKind>();
  readonly #unavailable = new Set<WatchedKind>();
  readonly #dirty = new Set<ObjectKey>();
  readonly #onDirty: () => void;
  readonly #changes: ChangeTracker | undefined;
  readonly #externalIpCidrs: readonly IpPrefix[] | undefined;

  /**
   * @param onDirty called after every change that may matter; must not throw or block.
   * @param changes hears of every change.
   * @param externalIpCidrs the only ranges in which externalIPs count; undefined: all do.
   */
  constructor(
    onDirty: () => void = () => {},
    changes?: ChangeTracker,
    externalIpCidrs?: readonly IpPrefix[],
  ) {
    this.#onDirty = onDirty;
    this.#changes = changes;
    this.#externalIpCidrs = externalIpCidrs;
  }

  /** Whether all that must be known before the first kernel write is known. */
  get synced(): boolean {
    return REQUIRED_KINDS.every((kind) => this.#listed.has(kind));
  }

  /** Whether everything is known, or known not to be had: what comes from now on is a change. */
  get settled(): boolean {
    return WATCHED_KINDS.every((kind) => this.#listed.has(kind) || this.#unavailable.has(kind));
  }

  /** Whether all that there is of `kind` has been told once. */
  isKnown(kind: WatchedKind): boolean {
    return this.#listed.has(kind);
  }

  get node(): NodeSpec | undefined {
    return this.#node;
  }

  /** In no order. */
  get serviceCidrs(): readonly ServiceCidrSpec[] {
    return [...this.#serviceCidrs.values()];
  }

  /** Addresses of Services that another proxy serves. */
  get foreignAddresses(): readonly IpAddress[] {
    return [...new Set([...this.#foreign.values()].flat())].sort();
  }

  /** Grows with every change of `node`, `serviceCidrs` or `foreignAddresses`, and when one becomes known: tells a reader whether to look at them again. */
  get nodeRevision(): number {
    return this.#nodeRevision;
  }

  get skipped(): readonly SkippedObject[] {
    return [...this.#skipped.values()];
  }

  get serviceCount(): number {
    return this.#services.size;
  }

  get endpointSliceCount(): number {
    return this.#slices.size;
  }

  services(): Iterable<ObjectKey> {
    return this.#services.keys();
  }

  service(key: ObjectKey): ServiceSpec | undefined {
    return this.#services.get(key);
  }

  endpointSlices(service: ObjectKey): readonly EndpointSliceSpec[] {
    return this.#slicesOfService.of(service);
  }

  /** Whether some Service has. */
  get hasDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** The Services to resolve again, emptied by the call. */
  takeDirty(): Set<ObjectKey> {
    const dirty = new Set(this.#dirty);
    this.#dirty.clear();
    this.#changes?.taken();
    return dirty;
  }

  /** Gives back what was taken and not dealt with. */
  markDirty(services: Iterable<ObjectKey>): void {
    for (const service of services) this.#dirty.add(service);
  }

  upsertService(key: ObjectKey, read: Parsed<ServiceSpec>): void {
    const parsed = this.#withoutForbidden(read);
    this.#note('Service', key, parsed);
    if ('invalid' in parsed) return;
    this.#setForeign(key, 'ignored' in parsed ? parsed.foreign : undefined);
    const before = this.#services.get(key);
    const after = 'spec' in parsed ? parsed.spec : undefined;
    if (isDeepStrictEqual(before, after)) return;
    if (after) this.#services.set(key, after);
    else this.#services.delete(key);
    this.#changes?.serviceChanged(key);
    this.#markDirty(key);
  }

  upsertEndpointSlice(key: ObjectKey, parsed: Parsed<EndpointSliceSpec>): void {
    this.#note('EndpointSlice', key, parsed);
    if ('invalid' in parsed) return;
    const before = this.#slices.get(key);
    const after = 'spec' in parsed ? parsed.spec : undefined;
    if (isDeepStrictEqual(before, after)) return;
    if (before) this.#unlink(key, before);
    if (after) {
      const service = serviceOf(after);
      this.#changes?.endpointsChanged(
        service,
        after.addressType,
        'triggeredMs' in parsed ? parsed.triggeredMs : undefined,
      );
      this.#link(key, service, after);
    } else if (before) {
      this.#changes?.endpointsGone(serviceOf(before));
    }
  }

  upsertNode(name: string, parsed: Parsed<NodeSpec>): void {
    this.#note('Node', name, parsed);
    if ('spec' in parsed) this.#setNode(parsed.spec);
    else if ('ignored' in parsed) this.#forgetNode(name);
  }

  upsertServiceCidr(name: string, parsed: Parsed<ServiceCidrSpec>): void {
    this.#note('ServiceCIDR', name, parsed);
    if ('invalid' in parsed) return;
    const before = this.#serviceCidrs.get(name);
    const after = 'spec' in parsed ? parsed.spec : undefined;
    if (isDeepStrictEqual(before, after)) return;
    if (after) this.#serviceCidrs.set(name, after);
    else this.#serviceCidrs.delete(name);
    this.#nodeChanged();
  }

  remove(kind: WatchedKind, key: string): void {
    this.#forgetSkipped(kind, key);
    switch (kind) {
      case 'Service':
        this.#setForeign(key as ObjectKey);
        if (this.#services.delete(key as ObjectKey)) {
          this.#changes?.serviceChanged(key as ObjectKey);
          this.#markDirty(key as ObjectKey);
        }
        break;
      case 'EndpointSlice': {
        const slice = this.#slices.get(key as ObjectKey);
        if (slice) {
          this.#changes?.endpointsGone(serviceOf(slice));
          this.#unlink(key as ObjectKey, slice);
        }
        break;
      }
      case 'Node':
        this.#forgetNode(key);
        break;
      case 'ServiceCIDR':
        if (this.#serviceCidrs.delete(key)) this.#nodeChanged();
    }
  }

  listed(kind: WatchedKind, present: ReadonlySet<string>): void {
    const skipped = [...this.#skipped.values()].filter((object) => object.kind === kind);
    for (const key of [...this.#keysOf(kind), ...skipped.map((object) => object.key)]) {
      if (!present.has(key)) this.remove(kind, key);
    }
    const isNew = !this.#listed.has(kind);
    this.#listed.add(kind);
    // That there is no Node is news, too, to who went by what an agent before was told of it.
    if (isNew && kind === 'Node' && !this.#node) this.#allServicesDirty();
    if (isNew && (kind === 'Node' || kind === 'ServiceCIDR')) this.#nodeChanged();
    else this.#onDirty();
  }

  unavailable(kind: WatchedKind): void {
    this.#unavailable.add(kind);
    this.#onDirty();
  }

  noteManifest(path: string, reason?: string): void {
    const id = skippedId('Manifest', path);
    if (reason === undefined) this.#skipped.delete(id);
    else this.#skipped.set(id, { kind: 'Manifest', key: path, reason });
  }

  #setForeign(service: ObjectKey, addresses: readonly IpAddress[] = []): void {
    const before = this.#foreign.get(service);
    if (before === undefined ? !addresses.length : isDeepStrictEqual(before, addresses)) return;
    if (addresses.length) this.#foreign.set(service, addresses);
    else this.#foreign.delete(service);
    this.#nodeChanged();
  }

  #link(key: ObjectKey, service: ObjectKey, slice: EndpointSliceSpec): void {
    this.#slices.set(key, slice);
    this.#slicesOfService.put(service, slice);
    this.#markDirty(service);
  }

  #unlink(key: ObjectKey, slice: EndpointSliceSpec): void {
    const service = serviceOf(slice);
    this.#slices.delete(key);
    this.#slicesOfService.delete(service, slice.name);
    this.#markDirty(service);
  }

  #setNode(after: NodeSpec | undefined): void {
    const before = this.#node;
    if (isDeepStrictEqual(before, after)) return;
    this.#node = after;
    // What a Service comes to on this node depends on these alone.
    const isSameToServices =
      before?.name === after?.name &&
      before?.zone === after?.zone &&
      isDeepStrictEqual(before?.addresses, after?.addresses);
    if (!isSameToServices) this.#allServicesDirty();
    this.#nodeChanged();
  }

  #allServicesDirty(): void {
    for (const key of this.#services.keys()) this.#dirty.add(key);
  }

  #forgetNode(name: string): void {
    if (this.#node?.name === name) this.#setNode(undefined);
  }

  #nodeChanged(): void {
    this.#nodeRevision += 1;
    this.#onDirty();
  }

  #keysOf(kind: WatchedKind): Iterable<string> {
    switch (kind) {
      case 'Service':
        return [...this.#services.keys(), ...this.#foreign.keys()];
      case 'EndpointSlice':
        return this.#slices.keys();
      case 'Node':
        return this.#node ? [this.#node.name] : [];
      case 'ServiceCIDR':
        return this.#serviceCidrs.keys();
    }
  }

  #withoutForbidden(parsed: Parsed<ServiceSpec>): Parsed<ServiceSpec> {
    if (!('spec' in parsed)) return parsed;
    const { spec, leftOut } = parsed;
    const forbidden = forbiddenExternalIps(spec, this.#externalIpCidrs);
    if (forbidden.length === 0) return parsed;
    return {
      ...parsed,
      spec: { ...spec, externalIPs: spec.externalIPs.filter((ip) => !forbidden.includes(ip)) },
      leftOut: [...(leftOut === undefined ? [] : [leftOut]), forbiddenReason(forbidden)].join('; '),
    };
  }

  #note(kind: WatchedKind, key: string, parsed: Parsed<unknown>): void {
    const reason =
      'invalid' in parsed ? parsed.invalid : 'spec' in parsed ? parsed.leftOut : undefined;
    if (reason === undefined) this.#forgetSkipped(kind, key);
    else this.#skipped.set(skippedId(kind, key), { kind, key, reason });
  }

  #forgetSkipped(kind: WatchedKind, key: string): void {
    // Nearly always there is none.
    if (this.#skipped.size) this.#skipped.delete(skippedId(kind, key));
  }

  #markDirty(service: ObjectKey): void {
    this.#dirty.add(service);
    this.#onDirty();
  }
}

function serviceOf(slice: EndpointSliceSpec): ObjectKey {
  return objectKey({ namespace: slice.namespace, name: slice.serviceName });
}

function skippedId(kind: SkippedObject['kind'], key: string): string {
  return `${kind} ${key}`;
}
