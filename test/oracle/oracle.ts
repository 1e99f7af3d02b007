// SPDX-License-Identifier: Apache-2.0
// What kube-proxy 1.36 decides about one connection, as plainly as it can be written: each rule names its section
// of the semantics. A second opinion on the agent's own answers (test/fuzz/explain-oracle.test.ts): it reads
// the objects as the API server gives them, keeps nothing between two questions, and shares no code with the agent.

import { canonical, cidrsOf, familyOf, isInside, isLoopback } from './addresses.ts';
import {
  clusterList,
  compareTexts,
  endpointsOf,
  hasAny,
  isEndpointOn,
  keyOf,
  localList,
} from './endpoint-lists.ts';
import type {
  NodeDescription,
  Policy,
  Protocol,
  RawCluster,
  RawService,
  RawServicePort,
} from './raw-objects.ts';
import {
  affinityTimeoutOf,
  clusterIPsOf,
  existsIn,
  isLeftToAnotherProxy,
  isProgrammed,
  type Kind,
  kindOf,
  loadBalancerIPsOf,
  namedClusterIPsOf,
  policyOf,
  sourceRangesOf,
} from './service-fields.ts';

export type Origin = 'pod' | 'host' | 'external';

export interface Destination {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

export interface Decision {
  readonly origin: Origin;
  readonly verdict: 'forward' | 'reject' | 'drop' | 'pass';
  /** namespace/name. Without `kind`: a known clusterIP, but no port of it. */
  readonly service?: string;
  readonly kind?: Kind;
  /** What the Service says for this kind of address. */
  readonly policy?: Policy;
  /** `ip:port` in text order, of which each connection gets one at random. Empty unless forwarded. */
  readonly backends: readonly string[];
  /** Whether the backend is sure to see another address than the client's. */
  readonly snat: boolean;
  readonly affinityTimeoutSeconds?: number;
}

/** Who dials. */
interface Client {
  readonly origin: Origin;
  /** undefined when it is not known. */
  readonly address: string | undefined;
  /** Whether there is a local detector for the family. */
  readonly hasDetector: boolean;
  /** What it says; also of an address of the host itself that lies in a cluster CIDR. */
  readonly isPod: boolean;
}

/** A service port by one of its addresses. */
interface Frontend {
  readonly service: RawService;
  readonly port: RawServicePort;
  readonly kind: Kind;
}

/** @param from an address; 'host', a process in the node's own network; or 'external', an address that is not known. */
export function decide(
  cluster: RawCluster,
  node: NodeDescription,
  from: string,
  to: Destination,
): Decision {
  const address = mustBeAddress(to.address);
  const services = byPriority(cluster.services.filter(isProgrammed));
  const client = clientOf(cluster, services, node, from, address);
  const pass: Decision = { origin: client.origin, verdict: 'pass', backends: [], snat: false };
  // 1.2: each family is a world of its own.
  if (client.address !== undefined && familyOf(client.address) !== familyOf(address)) return pass;

  const frontend =
    addressFrontend(services, address, to) ?? nodePortFrontend(services, node, client, address, to);
  if (frontend) return { ...pass, ...decideFrontend(cluster, node, client, frontend, address) };

  // 1.6, the table of closed ports, as nftables mode has it (1.18).
  const known = services.find((service) => clusterIPsOf(service).includes(address));
  if (known) return { ...pass, verdict: 'reject', service: keyOf(known.metadata) };
  // 1.1: they are another proxy's, which rewrites packets before anybody drops them.
  const foreign = cluster.services.filter(isLeftToAnotherProxy);
  if (foreign.some((service) => namedClusterIPsOf(service).includes(address))) return pass;
  const serviceCIDRs =
    node.serviceCIDRs ?? cluster.serviceCIDRs.flatMap(({ spec }) => spec.cidrs ?? []);
  return isInside(address, cidrsOf(familyOf(address), serviceCIDRs))
    ? { ...pass, verdict: 'drop' }
    : pass;
}

/** 1.7, its first line. */
function clientOf(
  cluster: RawCluster,
  services: readonly RawService[],
  node: NodeDescription,
  from: string,
  dialled: string,
): Client {
  const isKnown = from !== 'host' && from !== 'external';
  const address = isKnown ? mustBeAddress(from) : undefined;
  const clusterCIDRs = cidrsOf(familyOf(address ?? dialled), node.clusterCIDRs);
  const hasDetector = clusterCIDRs.length > 0;
  if (address === undefined) return { origin: from as Origin, address, hasDetector, isPod: false };
  const isHost = isLoopback(address) || isOwnAddress(node, address);
  // 1.7, notes: without a detector a pod of this node would be taken for an outsider. Its endpoint tells.
  const isPod = hasDetector
    ? isInside(address, clusterCIDRs)
    : !isHost && isEndpointOn(node.nodeName, cluster, services, address);
  return { origin: isHost ? 'host' : isPod ? 'pod' : 'external', address, hasDetector, isPod };
}

/** 1.6: among several Services that claim the same, the oldest gets it, then the first by name. */
function byPriority(services: readonly RawService[]): RawService[] {
  const age = ({ metadata }: RawService) => metadata.creationTimestamp ?? 'later';
  return services.toSorted(
    (a, b) => compareTexts(age(a), age(b)) || compareTexts(keyOf(a.metadata), keyOf(b.metadata)),
  );
}

/** The Service that has this very address, port and protocol. A clusterIP beats any other claim. */
function addressFrontend(
  services: readonly RawService[],
  address: string,
  to: Destination,
): Frontend | undefined {
  const claims = services
    .filter((service) => existsIn(familyOf(address), service))
    .flatMap((service) => {
      const port = servicePortsOf(service, to.protocol).find(({ port }) => port === to.port);
      const kind = kindOf(service, address);
      return port && kind ? [{ service, port, kind }] : [];
    });
  return claims.find(({ kind }) => kind === 'clusterIP') ?? claims[0];
}

/** 1.9 */
function nodePortFrontend(
  services: readonly RawService[],
  node: NodeDescription,
  client: Client,
  address: string,
  to: Destination,
): Frontend | undefined {
  if (!servesNodePorts(node, client, address)) return undefined;
  for (const service of services.filter((service) => existsIn(familyOf(address), service))) {
    const port = servicePortsOf(service, to.protocol).find(({ nodePort }) => nodePort === to.port);
    if (port) return { service, port, kind: 'nodePort' };
  }
  return undefined;
}

/** 1.9: on which addresses of the node. */
function servesNodePorts(node: NodeDescription, client: Client, address: string): boolean {
  const rule = node.nodePortAddresses ?? [];
  if (isLoopback(address)) return client.origin === 'host' && servesLoopback(rule);
  if (!isOwnAddress(node, address)) return false;
  if (rule[0] === 'primary') return address === nodeIP(node, address);
  const cidrs = cidrsOf(familyOf(address), rule);
  return cidrs.length === 0 || isInside(address, cidrs);
}

/**
 * Here Signalbox is not kube-proxy, which serves loopback in iptables mode and IPv4 alone (1.18): one answer for both
 * families, yes by default and when a CIDR takes in a loopback address.
 */
function servesLoopback(rule: readonly string[]): boolean {
  const cidrs = [...cidrsOf('IPv4', rule), ...cidrsOf('IPv6', rule)];
  const isTaken = (cidr: string) =>
    isLoopback(cidr) || isInside('127.0.0.1', [cidr]) || isInside('::1', [cidr]);
  return rule.length === 0 || cidrs.some(isTaken);
}

/** 1.6, the first table. */
function decideFrontend(
  cluster: RawCluster,
  node: NodeDescription,
  client: Client,
  { service, port, kind }: Frontend,
  address: string,
): Partial<Decision> {
  const policy = policyOf(service, kind);
  const timeout = affinityTimeoutOf(service);
  const facts = {
    service: keyOf(service.metadata),
    kind,
    policy,
    ...(timeout === undefined ? {} : { affinityTimeoutSeconds: timeout }),
  };
  // 1.8: comes before everything else, also when there is no endpoint (1.18).
  if (kind === 'loadBalancer' && !isAllowedSource(service, node, client, address)) {
    return { ...facts, verdict: 'drop' };
  }
  const endpoints = endpointsOf(cluster, keyOf(service.metadata), port, familyOf(address));
  if (!hasAny(endpoints)) return { ...facts, verdict: 'reject' };
  // 1.7, short-circuit: a pod and the host reach an external address as if from inside the cluster.
  const isShortCircuit = kind !== 'clusterIP' && (client.isPod || client.origin === 'host');
  const candidates =
    policy === 'Cluster' || isShortCircuit
      ? clusterList(endpoints, node.nodeName, zoneOf(cluster, node))
      : localList(endpoints, node.nodeName);
  if (candidates.length === 0) return { ...facts, verdict: 'drop' };
  // 1.7, last row: a client that can only get itself.
  const source = sourceOf(node, client, address);
  const isHairpin = candidates.every((endpoint) => endpoint.address === source);
  return {
    ...facts,
    verdict: 'forward',
    backends: candidates.map(({ at }) => at).sort(compareTexts),
    snat: isHairpin || isMasqueraded(kind, policy, node, client),
  };
}

/** The host's address, when it is not known, is taken to be the node IP; an outsider's stays unknown. */
function sourceOf(node: NodeDescription, client: Client, address: string): string | undefined {
  return client.address ?? (client.origin === 'host' ? nodeIP(node, address) : undefined);
}

/** 1.8. An address that is not known lies in no range. */
function isAllowedSource(
  service: RawService,
  node: NodeDescription,
  client: Client,
  address: string,
): boolean {
  const ranges = sourceRangesOf(service, familyOf(address));
  if (ranges.length === 0) return true;
  const ip = nodeIP(node, address);
  const source = sourceOf(node, client, address);
  if (source === undefined) return false;
  const isNodeAllowed = ip !== undefined && isInside(ip, ranges);
  return isInside(source, ranges) || (isNodeAllowed && loadBalancerIPsOf(service).includes(source));
}

/** 1.7, the table without its last row. */
function isMasqueraded(kind: Kind, policy: Policy, node: NodeDescription, client: Client): boolean {
  if (kind === 'clusterIP') return node.masqueradeAll || (client.hasDetector && !client.isPod);
  if (policy === 'Cluster') return true;
  return client.origin === 'host' && !client.isPod;
}

function servicePortsOf({ spec }: RawService, protocol: Protocol): RawServicePort[] {
  return (spec.ports ?? []).filter((port) => (port.protocol ?? 'TCP') === protocol);
}

/** The node's zone: the one label of it that counts (1.2). */
function zoneOf({ nodes }: RawCluster, { nodeName }: NodeDescription): string {
  const node = nodes.find(({ metadata }) => metadata.name === nodeName);
  return node?.metadata.labels?.['topology.kubernetes.io/zone'] ?? '';
}

/** The node IP of the family of `address` (1.2). */
function nodeIP({ nodeIPs }: NodeDescription, address: string): string | undefined {
  return nodeIPs.find((ip) => familyOf(ip) === familyOf(address));
}

function isOwnAddress({ localAddresses }: NodeDescription, address: string): boolean {
  return localAddresses.includes(address);
}

function mustBeAddress(text: string): string {
  const address = canonical(text);
  if (address === undefined) throw new Error(`${JSON.stringify(text)} is not an IP address`);
  return address;
}
