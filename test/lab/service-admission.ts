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
import {
  isHeadless,
  type ServicePort,
  type ServiceSpecObject,
  serviceProblem,
  serviceSpec,
  wantsHealthCheckNodePort,
  wantsNodePorts,
  withDefaults,
} from './service-spec.ts';

export interface ServiceRanges {
  /** One block per family; the first is the default family. */
  readonly serviceCidrs: readonly string[];
  /** First and last node port. */
  readonly nodePorts: readonly [number, number];
}

/** Addresses below this offset are left to those who ask for a fixed one, as in Kubernetes. */
const DYNAMIC_OFFSET = 256;
const DYNAMIC_NODE_PORT = 86;

/** An ExternalName Service is only a name: what it had as another type goes. */
const NO_FAMILIES: object = { ipFamilies: undefined, ipFamilyPolicy: undefined };
const NO_ADDRESSES: object = { clusterIP: undefined, clusterIPs: undefined };

type Refuse = (problem: string) => never;

export class ServiceAdmission {
  readonly #ranges: readonly AddressRange[];
  readonly #nodePortRange: readonly [number, number];
  readonly #addresses = new Claims<IpAddress>();
  readonly #nodePorts = new Claims<string>();
  /** Where the search for a free address goes on, per range: keeps ten thousand allocations linear. */
  readonly #nextOffset = new Map<AddressRange, number>();

  constructor({
    serviceCidrs = ['10.96.0.0/16', 'fd00:10:96::/112'],
    nodePorts = [30_000, 32_767],
  }: Partial<ServiceRanges>) {
    this.#ranges = serviceCidrs.map((cidr) => new AddressRange(cidr));
    this.#nodePortRange = nodePorts;
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
    const spec = withDefaults(
      before ? keepAllocated(serviceSpec(service), before) : serviceSpec(service),
    );
    const problem = serviceProblem(spec);
    if (problem) refuse(problem);
    const owner = keyOf(service);
    try {
      const families = this.#familyFields(spec, refuse);
      const addresses = this.#addressFields(owner, { ...spec, ...families }, refuse);
      if (before) refuseMovedAddress(before, addresses.clusterIPs, refuse);
      const ports = this.#portFields(owner, spec, refuse);
      const admitted = { ...spec, ...addresses, ...families, ...ports };
      this.#settle(owner, admitted);
      return { ...service, spec: admitted, status: service.status ?? { loadBalancer: {} } };
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
    const nodePorts = (spec?.ports ?? []).flatMap((port) =>
      port.nodePort ? [nodePortClaim(port.protocol, port.nodePort)] : [],
    );
    if (spec?.healthCheckNodePort) nodePorts.push(nodePortClaim('TCP', spec.healthCheckNodePort));
    this.#nodePorts.keepOnly(owner, nodePorts);
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

  #portFields(owner: string, spec: ServiceSpecObject, refuse: Refuse): Partial<ServiceSpecObject> {
    const onNodes = wantsNodePorts(spec);
    const ports = spec.ports?.map(({ nodePort, ...port }) => {
      if (!onNodes && !(nodePort && spec.type === 'LoadBalancer')) return port;
      if (!nodePort) return { ...port, nodePort: this.#freeNodePort(owner, refuse) };
      if (!this.#nodePorts.claim(owner, nodePortClaim(port.protocol, nodePort))) {
        refuse(
          `spec.ports[0].nodePort: Invalid value: ${nodePort}: provided port is already allocated`,
        );
      }
      return { ...port, nodePort };
    });
    const given = spec.healthCheckNodePort;
    const healthCheckNodePort = wantsHealthCheckNodePort(spec)
      ? (given ?? this.#freeNodePort(owner, refuse))
      : undefined;
    return { ...(ports && { ports }), healthCheckNodePort } as Partial<ServiceSpecObject>;
  }

  /** A port that is free under every protocol. */
  #freeNodePort(owner: string, refuse: Refuse): number {
    const [first, last] = this.#nodePortRange;
    const size = last - first + 1;
    const start = DYNAMIC_NODE_PORT < size ? DYNAMIC_NODE_PORT : 0;
    for (let tried = 0; tried < size; tried++) {
      const port = first + ((start + tried) % size);
      const claims = ['TCP', 'UDP', 'SCTP'].map((protocol) => nodePortClaim(protocol, port));
      if (!claims.every((claim) => this.#nodePorts.isFree(claim))) continue;
      for (const claim of claims) this.#nodePorts.claim(owner, claim);
      return port;
    }
    return refuse(`spec.ports[0].nodePort: Internal error: range ${first}-${last} is full`);
  }
}

function nodePortClaim(protocol: string, port: number): string {
  return `${protocol}/${port}`;
}

function addressesOf(spec: ServiceSpecObject): IpAddress[] {
  const given = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP];
  return given.flatMap((text) => (text && text !== 'None' ? (parseAddress(text) ?? []) : []));
}

/** An update that leaves out what was allocated keeps it; a type that has no addresses loses them. */
function keepAllocated(spec: ServiceSpecObject, before: ServiceSpecObject): ServiceSpecObject {
  const keepsAddresses = (spec.type ?? 'ClusterIP') !== 'ExternalName' && !spec.clusterIP;
  const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = before;
  const addresses = { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy };
  const ports = spec.ports?.map((port): ServicePort => {
    const same = before.ports?.find(
      (old) => old.port === port.port && old.protocol === (port.protocol ?? 'TCP'),
    );
    return port.nodePort || !same?.nodePort ? port : { ...port, nodePort: same.nodePort };
  });
  const { healthCheckNodePort } = before;
  return {
    ...(healthCheckNodePort && { healthCheckNodePort }),
    ...(keepsAddresses && addresses),
    ...dropUndefined(spec),
    ...(keepsAddresses && !spec.clusterIPs && { clusterIP, clusterIPs }),
    ...(ports && { ports }),
  } as ServiceSpecObject;
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
