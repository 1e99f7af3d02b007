// SPDX-License-Identifier: Apache-2.0
// The one function in which Service semantics live: a Service and its EndpointSlices to frontends and the
// backends that each may use (semantics 1.3, 1.5, 1.6, 1.8, 1.9).

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  prefixContains,
  prefixFamily,
  prefixLength,
  prefixOf,
  unspecifiedAddress,
} from './address.ts';
import {
  type Candidate,
  candidates,
  type EndpointList,
  isLocal,
  type NodeTraits,
  type Selection,
  select,
} from './endpoint-selection.ts';
import type { Claim } from './frontend-claims.ts';
import {
  type Balancing,
  type EndpointSliceSpec,
  objectKey,
  type ServicePortSpec,
  type ServiceSpec,
  type TrafficPolicy,
} from './objects.ts';
import {
  type Backend,
  type BackendSet,
  type Frontend,
  type FrontendKind,
  isDialled,
  type ServicePort,
} from './service-port.ts';

/** Where a frontend leads one kind of client. */
export interface Route {
  readonly list: EndpointList;
  /** Each once. */
  readonly backends: BackendSet;
  /** Of each backend; undefined: all the same. */
  readonly weights?: readonly number[];
  /** What a client meets when there is no backend; `reject` when there is none on any node either. */
  readonly onEmpty: 'reject' | 'drop';
}

export interface ResolvedFrontend {
  readonly frontend: Frontend;
  readonly kind: FrontendKind;
  /** For pods of this node and for the node itself. */
  readonly inside: Route;
  /** For everybody else. */
  readonly outside: Route;
  /** Whether the service port's source ranges apply. */
  readonly isRestricted: boolean;
}

/** What a remembered choice of a backend may go on being used for. */
export interface Member {
  readonly backend: Backend;
  /** New traffic by the cluster list. */
  readonly isInCluster: boolean;
  /** New traffic by the local list. */
  readonly isInLocal: boolean;
  /** Its packets come from this node: clients' addresses can be kept. */
  readonly isOnNode: boolean;
}

/** All that is programmed for one service port. */
export interface ResolvedServicePort {
  readonly servicePort: ServicePort;
  readonly frontends: readonly ResolvedFrontend[];
  /** 0: none. */
  readonly affinityTimeoutSeconds: number;
  readonly balancing: Balancing;
  /** Every backend that serves; of those that are not asked for elsewhere, see {@link forgetsMembers}, the node's own. */
  readonly members: readonly Member[];
  readonly forgetsMembers: boolean;
  /** Who may use restricted frontends. */
  readonly sourceRanges: readonly IpPrefix[];
}

/** Everything that `service` asks for on a node, in the order of its ports. Pure. */
export function resolve(
  service: ServiceSpec,
  slices: readonly EndpointSliceSpec[],
  node: NodeTraits,
): ResolvedServicePort[] {
  const key = objectKey(service);
  return service.ports.map((port, index) => {
    const forgets = forgetsMembers(service, port);
    const frontends: ResolvedFrontend[] = [];
    const members: Member[] = [];
    const sourceRanges: IpPrefix[] = [];
    for (const clusterIP of service.clusterIPs) {
      const family = familyOf(clusterIP);
      const { found } = candidates(slices, family, port);
      const selection = select(found, node);
      const routes = new Routes(selection);
      const ranges = sourceRangesOf(service, family, node);
      const isRestricted = ranges.length > 0;
      for (const claim of claimsOfPort(service, index, clusterIP)) {
        frontends.push(resolveFrontend(service, claim, routes, isRestricted));
      }
      const asked = forgets ? found.filter((candidate) => isLocal(candidate, node)) : found;
      if (asked.length) members.push(...membersOf(asked, selection, node));
      sourceRanges.push(...ranges);
    }
    return {
      servicePort: { service: key, portName: port.name, protocol: port.protocol },
      frontends,
      affinityTimeoutSeconds: service.affinityTimeoutSeconds,
      balancing: service.balancing,
      members,
      forgetsMembers: forgets,
      sourceRanges,
    };
  });
}

/** All frontends that {@link resolve} gives `service` on whatever node, in their order: endpoints have no say in it. */
export function claimsOf(service: ServiceSpec): Claim[] {
  return service.ports.flatMap((_, index) =>
    service.clusterIPs.flatMap((clusterIP) => claimsOfPort(service, index, clusterIP)),
  );
}

/**
 * Whether nothing asks for members of the port, but for those on the node: TCP by clusterIPs alone, without affinity, as
 * most of a cluster is. Who has which address in the end does not matter.
 */
function forgetsMembers(service: ServiceSpec, { protocol, nodePort }: ServicePortSpec): boolean {
  const { affinityTimeoutSeconds, loadBalancerIPs, externalIPs } = service;
  const isByClusterIPs = nodePort === 0 && !loadBalancerIPs.length && !externalIPs.length;
  return protocol === 'TCP' && affinityTimeoutSeconds === 0 && isByClusterIPs;
}

/** The traffic policy that decides for clients of a frontend of `kind`. */
export function policyOf(service: ServiceSpec, kind: FrontendKind): TrafficPolicy {
  return kind === 'clusterIP' ? service.internalTrafficPolicy : service.externalTrafficPolicy;
}

/**
 * Who may use load-balancer addresses of `family`; empty: everybody. Where the node itself may, its own
 * connections may come from such an address when that is on one of its devices (semantics 1.8).
 */
export function sourceRangesOf(
  service: ServiceSpec,
  family: IpFamily,
  node: NodeTraits,
): readonly IpPrefix[] {
  const ranges = service.loadBalancerSourceRanges.filter((range) => prefixFamily(range) === family);
  if (ranges.some((range) => prefixLength(range) === 0)) return [];
  const isNodeAllowed = node.nodeIPs.some((ip) =>
    ranges.some((range) => prefixContains(range, ip)),
  );
  if (!isNodeAllowed) return ranges;
  const own = ofFamily(service.loadBalancerIPs, family).map(prefixOf);
  return [...new Set([...ranges, ...own])];
}

/** Of the family of `clusterIP`. */
function claimsOfPort(service: ServiceSpec, index: number, clusterIP: IpAddress): Claim[] {
  const { clusterIPs, loadBalancerIPs, externalIPs, ports } = service;
  const { port, nodePort, protocol } = ports[index] as ServicePortSpec;
  const family = familyOf(clusterIP);
  const at = (kind: FrontendKind, address: IpAddress): Claim => ({
    frontend: { scope: 'address', address, port, protocol },
    kind,
  });
  // One address in two of the lists: what restricts it more, and what is safer, comes first.
  const claims = [at('clusterIP', clusterIP)];
  const seen = new Set([clusterIP]);
  const atEach = (kind: FrontendKind, addresses: readonly IpAddress[]) => {
    for (const address of addresses) {
      if (familyOf(address) !== family || seen.has(address)) continue;
      seen.add(address);
      claims.push(at(kind, address));
    }
  };
  atEach('loadBalancer', loadBalancerIPs);
  atEach('externalIP', externalIPs);
  if (nodePort !== 0) {
    const address = unspecifiedAddress(family);
    claims.push({
      frontend: { scope: 'node', address, port: nodePort, protocol },
      kind: 'nodePort',
    });
  }
  if (index > 0) return claims;
  // nftables' answer to what a clusterIP does not serve (semantics 1.18).
  claims.push({
    frontend: { scope: 'otherPorts', address: clusterIP, port: 0, protocol: 'any' },
    kind: 'otherPorts',
  });
  // An address that nobody has on a device answers to a ping all the same: to whom the Service lets in. A clusterIP
  // does so by its other ports.
  for (const address of seen) {
    if (clusterIPs.includes(address)) continue;
    claims.push({ frontend: { scope: 'echo', address, port: 0, protocol: 'any' }, kind: 'echo' });
  }
  return claims;
}

const NOTHING: Route = { list: 'cluster', backends: [], onEmpty: 'reject' };

/** The routes by one selection: each is made once, and shared by all frontends that it is for. */
class Routes {
  readonly #selection: Selection;
  readonly #made: Partial<Record<EndpointList, Route>> = {};

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  by(list: EndpointList): Route {
    this.#made[list] ??= routeBy(list, this.#selection);
    return this.#made[list];
  }
}

/** @param isRestricted whether the load-balancer addresses of the family are. */
function resolveFrontend(
  service: ServiceSpec,
  { frontend, kind }: Claim,
  routes: Routes,
  isRestricted: boolean,
): ResolvedFrontend {
  if (!isDialled(kind)) {
    const { loadBalancerIPs } = service;
    const isOfLoadBalancer = kind === 'echo' && loadBalancerIPs.includes(frontend.address);
    return {
      frontend,
      kind,
      inside: NOTHING,
      outside: NOTHING,
      isRestricted: isRestricted && isOfLoadBalancer,
    };
  }
  const isLocalOnly = policyOf(service, kind) === 'Local';
  const outside = routes.by(isLocalOnly ? 'local' : 'cluster');
  // Clients inside the cluster are never bound by externalTrafficPolicy (the short-circuit of semantics 1.7).
  const inside = isLocalOnly && kind !== 'clusterIP' ? routes.by('cluster') : outside;
  return {
    frontend,
    kind,
    inside,
    outside,
    isRestricted: isRestricted && kind === 'loadBalancer',
  };
}

function routeBy(list: EndpointList, selection: Selection): Route {
  const chosen = selection[list];
  const backends = chosen.map(({ backend }) => backend);
  const onEmpty = selection.hasAny ? 'drop' : 'reject';
  const isEven = chosen.every(({ weight }) => weight === chosen[0]?.weight);
  if (isEven) return { list, backends, onEmpty };
  return { list, backends, weights: chosen.map(({ weight }) => weight), onEmpty };
}

function membersOf(
  found: readonly Candidate[],
  { cluster, local }: Selection,
  node: NodeTraits,
): Member[] {
  const inCluster = new Set(cluster);
  const inLocal = new Set(local);
  return found.flatMap((candidate) => {
    const { backend, endpoint } = candidate;
    const isInCluster = inCluster.has(candidate);
    const isInLocal = inLocal.has(candidate);
    if (!isInCluster && !isInLocal && !endpoint.serving) return [];
    return [{ backend, isInCluster, isInLocal, isOnNode: isLocal(candidate, node) }];
  });
}

function ofFamily(addresses: readonly IpAddress[], family: IpFamily): IpAddress[] {
  return addresses.filter((address) => familyOf(address) === family);
}
