// SPDX-License-Identifier: Apache-2.0
// What a person should know besides the decision: near misses, and what may surprise. Used by explain.ts. Pure;
// decides nothing.

import { familyOf, type IpAddress, type IpFamily, prefixFamily } from './address.ts';
import type { Candidate } from './endpoint-selection.ts';
import type { Finding, Hit, IndexedService, Selected, ServiceIndex } from './explain-index.ts';
import {
  type Cause,
  type Destination,
  isAddress,
  type NodeCount,
  type Note,
  type OtherFrontend,
  type Query,
} from './explanation.ts';
import { hasDetector, type NodeFacts } from './node-facts.ts';
import type { ServicePortSpec, TrafficPolicy } from './objects.ts';
import { isDialled } from './service-port.ts';

/** What led to a decision about a frontend. */
export interface FrontendDecision {
  readonly query: Query;
  /** The client's address; undefined: not known. */
  readonly source: IpAddress | undefined;
  readonly finding: Finding;
  readonly policy: TrafficPolicy;
  readonly selected: Selected;
  readonly cause: Cause;
  readonly backends: readonly Candidate[];
}

export function notesOnFrontend(
  index: ServiceIndex,
  node: NodeFacts,
  { query, source, finding, policy, selected, cause, backends }: FrontendDecision,
): Note[] {
  const { service, port, resolved } = finding.winner;
  const family = familyOf(query.to.address);
  const isOriginDecisive = policy === 'Local' && resolved.kind !== 'clusterIP';
  return [
    ...(finding.others.length ? [{ code: 'also-claimed' as const, by: finding.others }] : []),
    ...(selected.candidates.found.length ? [] : [whyNoEndpoints(service, port, family)]),
    ...(cause === 'source-not-allowed'
      ? [
          {
            code: 'source-ranges' as const,
            ranges: service.spec.loadBalancerSourceRanges.filter(
              (range) => prefixFamily(range) === family,
            ),
          },
        ]
      : []),
    ...(cause === 'no-local-endpoints' ? notesOnOtherNodes(index, selected) : []),
    ...(backends.length > 1 && backends.some(({ backend }) => backend.address === source)
      ? [{ code: 'may-reach-itself' as const }]
      : []),
    ...(isOriginDecisive && isAddress(query.from) && !hasDetector(node, familyOf(query.from))
      ? [{ code: 'no-detector' as const }]
      : []),
    ...leftOutOf(index, service),
  ];
}

export function notesOnClosedPort(index: ServiceIndex, query: Query, { service }: Hit): Note[] {
  return [
    ...otherPorts(frontendsAt(index, query.to.address)),
    ...otherMeanings(service, query.to),
    ...leftOutOf(index, service),
  ];
}

/** On what no Service decides: passing, and an address that no Service has. */
export function notesOnNobody(index: ServiceIndex, query: Query, cause: Cause): Note[] {
  const { protocol, address, port } = query.to;
  const nodePorts = index.withNodePort(port).flatMap((service) => nodePortsOf(service, query.to));
  const owners = index.endpointOf(address);
  return [
    ...index.withAddress(address).flatMap((service) => notesOnUnserved(service, address)),
    ...otherPorts(frontendsAt(index, address)),
    ...(cause === 'local-address' ? otherPorts(nodePorts) : []),
    ...(cause === 'local-address' ? nodePortsOfOtherFamily(index, query.to) : []),
    ...(cause === 'node-port-not-here' || cause === 'node-port-elsewhere'
      ? [
          {
            code: 'node-port-of' as const,
            frontends: nodePorts.filter((one) => one.protocol === protocol),
          },
        ]
      : []),
    ...(owners.length ? [{ code: 'endpoint-of' as const, services: owners }] : []),
    ...index.leftOut.naming(address).map((object) => ({ code: 'left-out' as const, object })),
  ];
}

/** Nothing has joined the service port: names and protocols must be the same on both sides (semantics 1.4). */
function whyNoEndpoints({ slices }: IndexedService, port: ServicePortSpec, family: IpFamily): Note {
  if (!slices.length) return { code: 'no-slices' };
  const ofFamily = slices.filter(({ addressType }) => addressType === family);
  if (!ofFamily.length) return { code: 'no-slices-of-family', family };
  // Without any endpoint the controller leaves one slice, which has no ports either.
  if (ofFamily.every(({ endpoints }) => !endpoints.length)) return { code: 'empty-slices' };
  const ports = ofFamily.flatMap((slice) => slice.ports);
  if (ports.some(({ name, protocol }) => name === port.name && protocol === port.protocol)) {
    return { code: 'empty-slices' };
  }
  const found = new Map(ports.map((one) => [`${one.name}/${one.protocol}:${one.port}`, one]));
  return { code: 'port-names-differ', found: [...found.values()] };
}

function notesOnOtherNodes(index: ServiceIndex, { selection }: Selected): Note[] {
  const counts = new Map<string | undefined, number>();
  for (const { endpoint } of selection.usable) {
    counts.set(endpoint.nodeName, (counts.get(endpoint.nodeName) ?? 0) + 1);
  }
  const nodes: NodeCount[] = [...counts].map(([node, count]) => ({ node, count }));
  nodes.sort((a, b) => b.count - a.count || ((a.node ?? '') < (b.node ?? '') ? -1 : 1));
  return [
    { code: 'endpoints-elsewhere', nodes },
    ...(index.endpointsOnThisNode.size ? [] : [{ code: 'node-without-endpoints' as const }]),
  ];
}

/** A Service has its addresses in the families of its clusterIPs alone (semantics 1.3). */
function notesOnUnserved(service: IndexedService, address: IpAddress): Note[] {
  const family = familyOf(address);
  const { clusterIPs, ports } = service.spec;
  if (!clusterIPs.some((clusterIP) => familyOf(clusterIP) === family)) {
    return [{ code: 'family-not-served', service: service.key }];
  }
  return ports.length ? [] : [{ code: 'no-ports', service: service.key }];
}

/** A number that means something else of the same Service: people mix up port, targetPort and nodePort. */
function otherMeanings(service: IndexedService, to: Destination): Note[] {
  const frontends = [...service.frontends.values()].flatMap((hit) => frontendOf(hit) ?? []);
  const nodePorts = nodePortsOf(service, to).filter(({ protocol }) => protocol === to.protocol);
  const endpointPorts = service.slices.flatMap(({ ports }) =>
    ports.filter(({ protocol, port }) => protocol === to.protocol && port === to.port),
  );
  const joined = endpointPorts.flatMap(({ name }) =>
    service.spec.ports.filter((port) => port.name === name && port.protocol === to.protocol),
  );
  const instead = frontends.find(
    ({ address, port, protocol }) =>
      address === to.address && protocol === to.protocol && port === joined[0]?.port,
  );
  return [
    ...nodePorts.slice(0, 1).map((frontend) => ({ code: 'dialled-node-port' as const, frontend })),
    ...(instead ? [{ code: 'dialled-endpoint-port' as const, frontend: instead }] : []),
  ];
}

function nodePortsOf(service: IndexedService, to: Destination): OtherFrontend[] {
  const family = familyOf(to.address);
  return [...service.frontends.values()].flatMap((hit) => {
    const { frontend } = hit.resolved;
    const isAsked =
      frontend.scope === 'node' &&
      frontend.port === to.port &&
      familyOf(frontend.address) === family;
    return isAsked ? (frontendOf(hit) ?? []) : [];
  });
}

/** A Service has nodePorts in the families of its clusterIPs alone (semantics 1.3). */
function nodePortsOfOtherFamily(
  index: ServiceIndex,
  { protocol, address, port }: Destination,
): Note[] {
  const family = familyOf(address);
  const services = index
    .withNodePort(port)
    .filter(
      ({ spec: { clusterIPs, ports } }) =>
        ports.some((one) => one.nodePort === port && one.protocol === protocol) &&
        !clusterIPs.some((clusterIP) => familyOf(clusterIP) === family),
    )
    .map(({ key }) => key);
  return services.length ? [{ code: 'node-port-of-other-family', services }] : [];
}

function frontendsAt(index: ServiceIndex, address: IpAddress): OtherFrontend[] {
  return index.withAddress(address).flatMap((service) =>
    [...service.frontends.values()].flatMap((hit) => {
      const { frontend } = hit.resolved;
      return frontend.scope === 'address' && frontend.address === address
        ? (frontendOf(hit) ?? [])
        : [];
    }),
  );
}

function frontendOf({ service, port, resolved }: Hit): OtherFrontend | undefined {
  const { kind, frontend } = resolved;
  if (!isDialled(kind)) return undefined;
  const { address } = frontend;
  return {
    kind,
    address,
    port: frontend.port,
    protocol: port.protocol,
    service: service.key,
  };
}

function otherPorts(frontends: readonly OtherFrontend[]): Note[] {
  return frontends.length ? [{ code: 'other-ports', frontends }] : [];
}

function leftOutOf(index: ServiceIndex, service: IndexedService): Note[] {
  return index.leftOut.of(service.key).map((object) => ({ code: 'left-out', object }));
}
