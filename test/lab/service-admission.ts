// SPDX-License-Identifier: Apache-2.0
// What the API server does to a Service on its way into the store: defaults, cluster IPs, node ports.
// A refused Service holds nothing afterwards; an updated one keeps what it had.

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  parseAddress,
} from '../../agent/model/address.ts';
import { AddressRange } from './address-range.ts';
import { invalid } from './api-error.ts';
import { Claims } from './claims.ts';
import { type KubeObject, keyOf } from './kube-object.ts';
import { NodePorts } from './node-ports.ts';
import { withDefaults } from './service-defaults.ts';
import { isHeadless, type ServiceSpecObject, serviceSpec } from './service-spec.ts';
import {
  type ServiceStatus,
  statusProblem,
  withoutLoadBalancer,
  withStatusDefaults,
} from './service-status.ts';
import { asUpdate } from './service-update.ts';
import { serviceProblem } from './service-validation.ts';

export interface ServiceRanges {
  /** One block per family; the first is the default family. */
  readonly serviceCidrs: readonly string[];
  /** First and last node port. */
  readonly nodePorts: readonly [number, number];
}

/** Addresses below this offset are left to those who ask for a fixed one, as in Kubernetes. */
const DYNAMIC_OFFSET = 256;

/** An ExternalName Service is only a name: what it had as another type goes. */
const NO_FAMILIES: object = { ipFamilies: undefined, ipFamilyPolicy: undefined };
const NO_ADDRESSES: object = { clusterIP: undefined, clusterIPs: undefined };

type Refuse = (problem: string) => never;

export class ServiceAdmission {
  readonly #ranges: readonly AddressRange[];
  readonly #addresses = new Claims<IpAddress>();
  readonly #nodePorts: NodePorts;
  /** Where the search for a free address goes on, per range: keeps ten thousand allocations linear. */
  readonly #nextOffset = new Map<AddressRange, number>();

  constructor({
    serviceCidrs = ['10.96.0.0/16', 'fd00:10:96::/112'],
    nodePorts = [30_000, 32_767],
  }: Partial<ServiceRanges>) {
    this.#ranges = serviceCidrs.map((cidr) => new AddressRange(cidr));
    this.#nodePorts = new NodePorts(nodePorts);
  }

  /**
   * @param previous the Service as it was, when this is an update.
   * @throws ApiError 422.
   */
  admit(service: KubeObject, previous?: KubeObject): KubeObject {
    const refuse: Refuse = (problem) => {
      throw invalid('Service', service.metadata.name, problem);
    };
    const before = previous && serviceSpec(previous);
    const given = withDefaults(dropUndefined(serviceSpec(service)));
    const spec = before ? asUpdate(given, before) : given;
    const status = admittedStatus(service, spec.type, before?.type);
    const problem = serviceProblem(spec, before) ?? statusProblem(status, spec.type);
    if (problem) refuse(problem);
    const owner = keyOf(service);
    try {
      const families = this.#familyFields(spec, refuse);
      const addresses = this.#addressFields(owner, { ...spec, ...families }, refuse);
      if (before) refuseMovedAddress(before, addresses.clusterIPs, refuse);
      const ports = this.#portFields(owner, spec, !before, refuse);
      const admitted = { ...spec, ...addresses, ...families, ...ports };
      this.#settle(owner, admitted);
      return { ...service, spec: admitted, status };
    } catch (error) {
      this.#settle(owner, before);
      throw error;
    }
  }

  release(service: KubeObject): void {
    this.#settle(keyOf(service), undefined);
  }

  #settle(owner: string, spec: ServiceSpecObject | undefined): void {
    const addresses = spec ? addressesOf(spec) : [];
    this.#addresses.keepOnly(owner, addresses);
    this.#nodePorts.settle(owner, spec);
  }

  #familyFields(spec: ServiceSpecObject, refuse: Refuse): Partial<ServiceSpecObject> {
    if (spec.type === 'ExternalName') return NO_FAMILIES;
    const offered = this.#ranges.map((range) => range.family as string);
    const given = addressesOf(spec).map((address) => familyOf(address) as string);
    const asked = spec.ipFamilies?.length ? spec.ipFamilies : given;
    const anyFamily = isHeadless(spec) && !spec.selector;
    const fallback =
      asked.length > 1 || given.length > 1 || anyFamily ? 'RequireDualStack' : 'SingleStack';
    const ipFamilyPolicy = spec.ipFamilyPolicy ?? fallback;
    const wanted = [...new Set([...(asked.length ? asked : offered.slice(0, 1)), ...offered])];
    const ipFamilies = ipFamilyPolicy === 'SingleStack' ? wanted.slice(0, 1) : wanted;
    const missing = anyFamily ? undefined : ipFamilies.find((family) => !offered.includes(family));
    if (missing)
      refuse(`spec.ipFamilies: Invalid value: "${missing}": not configured on this cluster`);
    if (ipFamilyPolicy === 'RequireDualStack' && ipFamilies.length < 2 && !anyFamily) {
      refuse(
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
      );
    }
    return { ipFamilies, ipFamilyPolicy };
  }

  #addressFields(
    owner: string,
    spec: ServiceSpecObject,
    refuse: Refuse,
  ): Partial<ServiceSpecObject> {
    if (spec.type === 'ExternalName') return NO_ADDRESSES;
    if (isHeadless(spec)) return { clusterIP: 'None', clusterIPs: ['None'] };
    const given = addressesOf(spec);
    const clusterIPs = (spec.ipFamilies ?? []).map((family) => {
      const address = given.find((candidate) => familyOf(candidate) === family);
      if (!address) return this.#freeAddress(owner, family as IpFamily, refuse);
      if (!this.#ranges.some((range) => range.contains(address))) {
        refuse(
          `spec.clusterIPs: Invalid value: "${address}": the provided IP is not in the valid range`,
        );
      }
      if (!this.#addresses.claim(owner, address)) {
        refuse(`spec.clusterIPs: Invalid value: "${address}": provided IP is already allocated`);
      }
      return address;
    });
    return { clusterIP: clusterIPs[0] as string, clusterIPs };
  }

  #freeAddress(owner: string, family: IpFamily, refuse: Refuse): IpAddress {
    const range = this.#ranges.find((candidate) => candidate.family === family);
    if (!range) return refuse(`spec.ipFamilies: Invalid value: "${family}"`);
    const { size } = range;
    const start = this.#nextOffset.get(range) ?? (DYNAMIC_OFFSET < size ? DYNAMIC_OFFSET : 1);
    for (let tried = 0; tried < size; tried++) {
      const offset = (start + tried) % size;
      if (offset === 0 || (family === 'IPv4' && offset === size - 1)) continue;
      const address = range.at(offset);
      if (!this.#addresses.isFree(address)) continue;
      this.#addresses.claim(owner, address);
      this.#nextOffset.set(range, (offset + 1) % size);
      return address;
    }
    return refuse(`spec.clusterIPs: Internal error: range ${range.cidr} is full`);
  }

  #portFields(
    owner: string,
    spec: ServiceSpecObject,
    isNew: boolean,
    refuse: Refuse,
  ): Partial<ServiceSpecObject> {
    const ports = this.#nodePorts.assign(owner, spec, isNew, refuse);
    const healthCheckNodePort = this.#nodePorts.assignHealthCheck(owner, spec, refuse);
    return { ...(ports && { ports }), healthCheckNodePort } as Partial<ServiceSpecObject>;
  }
}

function admittedStatus(
  service: KubeObject,
  type: string,
  previousType: string | undefined,
): ServiceStatus {
  const status = (service.status ?? {}) as ServiceStatus;
  const wasLoadBalancer = previousType === 'LoadBalancer' && type !== 'LoadBalancer';
  return withStatusDefaults(wasLoadBalancer ? withoutLoadBalancer(status) : status);
}

function addressesOf(spec: ServiceSpecObject): IpAddress[] {
  const given = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP];
  return given.flatMap((text) => (text && text !== 'None' ? (parseAddress(text) ?? []) : []));
}

function refuseMovedAddress(
  before: ServiceSpecObject,
  after: readonly string[] | undefined,
  refuse: Refuse,
): void {
  const [old] = before.clusterIPs ?? [];
  const [now] = after ?? [];
  if (old !== undefined && now !== undefined && old !== now) {
    refuse(`spec.clusterIPs[0]: Invalid value: ["${now}"]: may not change once set`);
  }
}

function dropUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
