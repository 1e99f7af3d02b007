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
  frontendKey,
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
  return service.ports.map((port, index) => {
    const forgets = forgetsMembers(service, port);
    const perFamily = service.clusterIPs.map((clusterIP) => {
      const family = familyOf(clusterIP);
      const { found } = candidates(slices, family, port);
      const selection = select(found, node);
      const routes = { cluster: routeBy('cluster', selection), local: routeBy('local', selection) };
      const sourceRanges = sourceRangesOf(service, family, node);
      const frontends = frontendsOf(service, port, clusterIP, routes, sourceRanges.length > 0);
      if (index === 0) frontends.push(otherPortsOf(clusterIP), ...echoesOf(service, frontends));
      return { found, selection, sourceRanges, frontends };
    });
    return {
      servicePort: { service: objectKey(service), portName: port.name, protocol: port.protocol },
      frontends: perFamily.flatMap(({ frontends }) => frontends),
      affinityTimeoutSeconds: service.affinityTimeoutSeconds,
      balancing: service.balancing,
      members: perFamily
        .flatMap(({ found, selection }) => membersOf(found, selection, node))
        .filter(({ isOnNode }) => isOnNode || !forgets),
      forgetsMembers: forgets,
      sourceRanges: perFamily.flatMap(({ sourceRanges }) => sourceRanges),
    };
  });
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

function frontendsOf(
  service: ServiceSpec,
  port: ServicePortSpec,
  clusterIP: IpAddress,
  routes: Routes,
  isRestricted: boolean,
): ResolvedFrontend[] {
  const family = familyOf(clusterIP);
  const { protocol } = port;
  const at = (kind: FrontendKind, address: IpAddress): ResolvedFrontend => ({
    frontend: { scope: 'address', address, port: port.port, protocol },
    kind,
    ...routesOf(service, kind, routes),
    isRestricted: isRestricted && kind === 'loadBalancer',
  });
  const frontends = [
    at('clusterIP', clusterIP),
    ...ofFamily(service.loadBalancerIPs, family).map((ip) => at('loadBalancer', ip)),
    ...ofFamily(service.externalIPs, family).map((ip) => at('externalIP', ip)),
  ];
  if (port.nodePort !== 0) {
    frontends.push({
      frontend: {
        scope: 'node',
        address: unspecifiedAddress(family),
        port: port.nodePort,
        protocol,
      },
      kind: 'nodePort',
      ...routesOf(service, 'nodePort', routes),
      isRestricted: false,
    });
  }
  return firstOfEach(frontends);
}

/** One address in two of a Service's lists: what restricts it more, and what is safer, comes first. */
function firstOfEach(frontends: readonly ResolvedFrontend[]): ResolvedFrontend[] {
  const seen = new Set<string>();
  return frontends.filter(({ frontend }) => {
    const key = frontendKey(frontend);
    return !seen.has(key) && seen.add(key);
  });
}

const NOTHING: Route = { list: 'cluster', backends: [], onEmpty: 'reject' };

/** nftables' answer to what a clusterIP does not serve (semantics 1.18). */
function otherPortsOf(clusterIP: IpAddress): ResolvedFrontend {
  return {
    frontend: { scope: 'otherPorts', address: clusterIP, port: 0, protocol: 'any' },
    kind: 'otherPorts',
    inside: NOTHING,
    outside: NOTHING,
    isRestricted: false,
  };
}

/**
 * An address that nobody has on a device answers to a ping all the same: to whom the Service lets in. A clusterIP
 * does so by its other ports.
 */
function echoesOf(
  { clusterIPs }: ServiceSpec,
  frontends: readonly ResolvedFrontend[],
): ResolvedFrontend[] {
  return frontends.flatMap(({ frontend: { scope, address }, isRestricted }) => {
    if (scope !== 'address' || clusterIPs.includes(address)) return [];
    return {
      frontend: { scope: 'echo', address, port: 0, protocol: 'any' },
      kind: 'echo',
      inside: NOTHING,
      outside: NOTHING,
      isRestricted,
    };
  });
}

type Routes = Readonly<Record<EndpointList, Route>>;

/** Clients inside the cluster are never bound by externalTrafficPolicy (the short-circuit of semantics 1.7). */
function routesOf(
  service: ServiceSpec,
  kind: FrontendKind,
  routes: Routes,
): { inside: Route; outside: Route } {
  const byPolicy = policyOf(service, kind) === 'Local' ? routes.local : routes.cluster;
  return { inside: kind === 'clusterIP' ? byPolicy : routes.cluster, outside: byPolicy };
}

function routeBy(list: EndpointList, selection: Selection): Route {
  const chosen = selection[list];
  const isEven = chosen.every(({ weight }) => weight === chosen[0]?.weight);
  return {
    list,
    backends: chosen.map(({ backend }) => backend),
    ...(isEven ? {} : { weights: chosen.map(({ weight }) => weight) }),
    onEmpty: selection.hasAny ? 'drop' : 'reject',
  };
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
