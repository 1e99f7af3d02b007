// SPDX-License-Identifier: Apache-2.0
// What the kernel's tables hold: only ever what was written or read back, never what was meant. Indexed by
// Service, so that the work of a change is proportional to the change.

import type { IpPrefix } from '../model/address.ts';
import { Groups } from '../model/groups.ts';
import type { ObjectKey } from '../model/objects.ts';
import {
  type Backend,
  type BackendSetKey,
  backendKey,
  type Frontend,
  type FrontendKey,
  frontendKey,
  type ServicePort,
  type ServicePortKey,
  servicePortKey,
} from '../model/service-port.ts';
import type { FrontendFlags, FrontendKind, MemberFlags, SlotRun } from '../sys/layout.gen.ts';
import { ServicePortIds } from './service-port-ids.ts';

/** A run that a frontend names, with its content. */
export interface NamedRun {
  readonly run: SlotRun;
  /** undefined when the run was found damaged: differs from every set that may be wanted. */
  readonly backendSet: BackendSetKey | undefined;
}

/** An entry of `frontends`. */
export interface FrontendEntry {
  readonly frontend: Frontend;
  readonly servicePortId: number;
  readonly kind: FrontendKind;
  readonly flags: FrontendFlags;
  readonly affinityTimeoutSeconds: number;
  readonly inside: NamedRun;
  readonly outside: NamedRun;
}

/** An entry of `members`, of a service port. */
export interface MemberEntry {
  readonly backend: Backend;
  readonly flags: MemberFlags;
}

/** An entry of `service_ports`. */
export interface ServicePortEntry {
  readonly id: number;
  readonly servicePort: ServicePort;
}

export class ActualTables {
  readonly #frontends = new Map<FrontendKey, FrontendEntry>();
  readonly #servicePorts = new Map<ServicePortKey, ServicePortEntry>();
  readonly #portsById = new Map<number, ServicePortEntry>();
  readonly #portsOfService = new Groups<ObjectKey, ServicePortKey, ServicePortEntry>(
    ({ servicePort }) => servicePortKey(servicePort),
  );
  /** By service port, as members and source ranges are. */
  readonly #frontendsOf = new Groups<number, FrontendKey, FrontendEntry>(({ frontend }) =>
    frontendKey(frontend),
  );
  readonly #members = new Groups<number, string, MemberEntry>(({ backend }) => backendKey(backend));
  readonly #sourceRanges = new Groups<number, IpPrefix, IpPrefix>((range) => range);
  readonly #runUsers = new Map<number, number>();
  #retired = new Map<number, SlotRun>();
  #slotsNamed = 0;
  #written: Set<number> | undefined;
  readonly #ids: ServicePortIds;

  /** @param counters of service ports in the kernel; see {@link ServicePortIds}. */
  constructor(counters?: number) {
    this.#ids = new ServicePortIds(counters);
  }

  /** An id that no entry has had since this was built: ids are not reused soon. */
  nextServicePortId(): number {
    return this.#ids.next();
  }

  get frontends(): ReadonlyMap<FrontendKey, FrontendEntry> {
    return this.#frontends;
  }

  get servicePorts(): ReadonlyMap<ServicePortKey, ServicePortEntry> {
    return this.#servicePorts;
  }

  frontend(frontend: Frontend): FrontendEntry | undefined {
    return this.#frontends.get(frontendKey(frontend));
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** Ids of service ports, of all that have a name. */
  servicePortIds(): Iterable<number> {
    return this.#portsById.keys();
  }

  /** Slots of all runs that frontends name. */
  get slotsNamed(): number {
    return this.#slotsNamed;
  }

  /** Puts the id of each service port of which something is recorded from now on into `ids`; undefined: no more. */
  noteWrites(ids: Set<number> | undefined): void {
    this.#written = ids;
  }

  /** Every Service that has a name in the tables. */
  services(): Iterable<ObjectKey> {
    return this.#portsOfService.keys();
  }

  hasServicePortId(id: number): boolean {
    return this.#ids.has(id);
  }

  servicePort(id: number): ServicePort | undefined {
    return this.#portsById.get(id)?.servicePort;
  }

  servicePortsOf(service: ObjectKey): readonly ServicePortEntry[] {
    return this.#portsOfService.of(service);
  }

  frontendsOf(servicePortId: number): readonly FrontendEntry[] {
    return this.#frontendsOf.of(servicePortId);
  }

  /** The Service whose service port `frontend` leads to now. */
  holderOf(frontend: Frontend): ObjectKey | undefined {
    const entry = this.#frontends.get(frontendKey(frontend));
    return entry && this.#portsById.get(entry.servicePortId)?.servicePort.service;
  }

  /** undefined: it is none. */
  memberFlags(servicePortId: number, backend: Backend): MemberFlags | undefined {
    return this.#members.get(servicePortId, backendKey(backend))?.flags;
  }

  hasSourceRange(servicePortId: number, range: IpPrefix): boolean {
    return this.#sourceRanges.get(servicePortId, range) !== undefined;
  }

  membersOf(servicePortId: number): readonly MemberEntry[] {
    return this.#members.of(servicePortId);
  }

  get sourceRangeCount(): number {
    return this.#sourceRanges.size;
  }

  sourceRangesOf(servicePortId: number): readonly IpPrefix[] {
    return this.#sourceRanges.of(servicePortId);
  }

  /** Whether a published frontend names the run. */
  isPublished(run: SlotRun): boolean {
    return this.#runUsers.has(run.first);
  }

  /** Runs that the last frontend has left since the last call. Programs may still be reading them. */
  takeRetired(): SlotRun[] {
    const retired = [...this.#retired.values()];
    this.#retired.clear();
    return retired;
  }

  recordServicePort(entry: ServicePortEntry): void {
    const key = servicePortKey(entry.servicePort);
    this.#written?.add(entry.id);
    this.#servicePorts.set(key, entry);
    this.#portsById.set(entry.id, entry);
    this.#portsOfService.put(entry.servicePort.service, entry);
    this.#ids.take(entry.id);
  }

  recordServicePortGone({ id, servicePort }: ServicePortEntry): void {
    const key = servicePortKey(servicePort);
    this.#written?.add(id);
    this.#portsById.delete(id);
    this.#ids.release(id);
    if (this.#servicePorts.get(key)?.id !== id) return;
    this.#servicePorts.delete(key);
    this.#portsOfService.delete(servicePort.service, key);
  }

  recordFrontend(entry: FrontendEntry): void {
    const key = frontendKey(entry.frontend);
    this.#written?.add(entry.servicePortId);
    this.#use(entry.inside.run, 1);
    this.#use(entry.outside.run, 1);
    this.#forgetFrontend(key);
    this.#frontends.set(key, entry);
    this.#frontendsOf.put(entry.servicePortId, entry);
  }

  recordFrontendGone(frontend: Frontend): void {
    this.#forgetFrontend(frontendKey(frontend));
  }

  recordMember(servicePortId: number, backend: Backend, flags: MemberFlags): void {
    this.#written?.add(servicePortId);
    this.#members.put(servicePortId, { backend, flags });
    this.#ids.avoid(servicePortId);
  }

  recordMemberGone(servicePortId: number, backend: Backend): void {
    this.#written?.add(servicePortId);
    this.#members.delete(servicePortId, backendKey(backend));
  }

  recordSourceRange(servicePortId: number, range: IpPrefix): void {
    this.#written?.add(servicePortId);
    this.#sourceRanges.put(servicePortId, range);
    this.#ids.avoid(servicePortId);
  }

  recordSourceRangeGone(servicePortId: number, range: IpPrefix): void {
    this.#written?.add(servicePortId);
    this.#sourceRanges.delete(servicePortId, range);
  }

  #forgetFrontend(key: FrontendKey): void {
    const entry = this.#frontends.get(key);
    if (!entry) return;
    this.#written?.add(entry.servicePortId);
    this.#frontends.delete(key);
    this.#frontendsOf.delete(entry.servicePortId, key);
    this.#use(entry.inside.run, -1);
    this.#use(entry.outside.run, -1);
  }

  #use(run: SlotRun, change: 1 | -1): void {
    if (run.count === 0) return;
    const before = this.#runUsers.get(run.first) ?? 0;
    const users = before + change;
    if (before === 0) this.#slotsNamed += run.count;
    if (users === 0) this.#slotsNamed -= run.count;
    if (users > 0) {
      this.#runUsers.set(run.first, users);
      this.#retired.delete(run.first);
    } else {
      this.#runUsers.delete(run.first);
      this.#retired.set(run.first, run);
    }
  }
}
