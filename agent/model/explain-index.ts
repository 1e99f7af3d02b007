// SPDX-License-Identifier: Apache-2.0
// Finds the Services that have to do with an address or a port, and what each comes to on this node. Used by
// explain.ts. Building it looks at every Service once; a Service is resolved when it is first asked about, and
// that result is kept: what the index says is the cluster as it was then.

import type { IpAddress, IpFamily } from './address.ts';
import type { SkippedObject } from './cluster-state.ts';
import {
  type Candidates,
  candidates,
  type EndpointList,
  type Excluded,
  excludedFrom,
  type Selection,
  select,
} from './endpoint-selection.ts';
import { LeftOut } from './explain-left-out.ts';
import { FrontendClaims } from './frontend-claims.ts';
import type { NodeFacts } from './node-facts.ts';
import {
  type EndpointSliceSpec,
  type ObjectKey,
  objectKey,
  type ServicePortSpec,
  type ServiceSpec,
} from './objects.ts';
import { type ResolvedFrontend, type ResolvedServicePort, resolve } from './resolve.ts';
import { type Frontend, type FrontendKey, frontendKey } from './service-port.ts';

/** The cluster, as far as it is looked at: a ClusterState. */
export interface ClusterView {
  services(): Iterable<ObjectKey>;
  service(key: ObjectKey): ServiceSpec | undefined;
  endpointSlices(service: ObjectKey): readonly EndpointSliceSpec[];
  readonly skipped: readonly SkippedObject[];
}

/** A frontend of a Service. */
export interface Hit {
  readonly service: IndexedService;
  readonly resolved: ResolvedFrontend;
  readonly port: ServicePortSpec;
  readonly resolvedPort: ResolvedServicePort;
}

/** Who gets a frontend, and who asks for it in vain. */
export interface Finding {
  readonly winner: Hit;
  readonly others: readonly ObjectKey[];
}

/** What is behind a service port in one family. */
export interface Selected {
  readonly candidates: Candidates;
  readonly selection: Selection;
  excludedFrom(list: EndpointList): readonly Excluded[];
}

/** An endpoint, of whichever Services. */
export interface IndexedEndpoint {
  readonly services: readonly ObjectKey[];
  readonly isOnThisNode: boolean;
}

export class IndexedService {
  readonly spec: ServiceSpec;
  readonly key: ObjectKey;
  readonly #cluster: ClusterView;
  readonly #node: NodeFacts;
  readonly #selected = new Map<string, Selected>();
  #slices: readonly EndpointSliceSpec[] | undefined;
  #frontends: ReadonlyMap<FrontendKey, Hit> | undefined;

  constructor(spec: ServiceSpec, cluster: ClusterView, node: NodeFacts) {
    this.spec = spec;
    this.key = objectKey(spec);
    this.#cluster = cluster;
    this.#node = node;
  }

  get slices(): readonly EndpointSliceSpec[] {
    this.#slices ??= this.#cluster.endpointSlices(this.key);
    return this.#slices;
  }

  get frontends(): ReadonlyMap<FrontendKey, Hit> {
    this.#frontends ??= new Map(
      resolve(this.spec, this.slices, this.#node).flatMap((resolvedPort, i) => {
        const port = this.spec.ports[i] as ServicePortSpec;
        return resolvedPort.frontends.map((resolved) => [
          frontendKey(resolved.frontend),
          { service: this, resolved, port, resolvedPort },
        ]);
      }),
    );
    return this.#frontends;
  }

  selected(port: ServicePortSpec, family: IpFamily): Selected {
    const id = `${family} ${port.protocol} ${port.name}`;
    const known = this.#selected.get(id);
    if (known) return known;
    const node = this.#node;
    const all = candidates(this.slices, family, port);
    const selection = select(all.found, node);
    const excluded = new Map<EndpointList, readonly Excluded[]>();
    const selected: Selected = {
      candidates: all,
      selection,
      excludedFrom(list) {
        const left = excluded.get(list) ?? excludedFrom(list, all, selection, node);
        excluded.set(list, left);
        return left;
      },
    };
    this.#selected.set(id, selected);
    return selected;
  }
}

export class ServiceIndex {
  readonly leftOut: LeftOut;
  readonly #node: NodeFacts;
  readonly #byAddress = new Map<IpAddress, IndexedService[]>();
  readonly #byNodePort = new Map<number, IndexedService[]>();
  readonly #all: IndexedService[] = [];
  #endpoints: ReadonlyMap<IpAddress, IndexedEndpoint> | undefined;

  constructor(cluster: ClusterView, node: NodeFacts) {
    this.leftOut = new LeftOut(cluster.skipped, (key) => cluster.service(key) !== undefined);
    this.#node = node;
    for (const key of cluster.services()) {
      const spec = cluster.service(key);
      if (spec) this.#add(new IndexedService(spec, cluster, node));
    }
  }

  /** Services that name `address`, whether or not they serve it. */
  withAddress(address: IpAddress): readonly IndexedService[] {
    return this.#byAddress.get(address) ?? [];
  }

  /** Services of which a port, of any protocol, has this nodePort. */
  withNodePort(nodePort: number): readonly IndexedService[] {
    return this.#byNodePort.get(nodePort) ?? [];
  }

  /** Who gets `frontend`: the one of those that claim it whom FrontendClaims gives it to. */
  find(frontend: Frontend): Finding | undefined {
    const key = frontendKey(frontend);
    const services =
      frontend.scope === 'node'
        ? this.withNodePort(frontend.port)
        : this.withAddress(frontend.address);
    const hits = services.flatMap((service) => service.frontends.get(key) ?? []);
    const claims = new FrontendClaims();
    for (const { service, resolved } of hits) {
      claims.update(service.key, service.spec.creationTimestamp, [resolved]);
    }
    const owner = claims.owner(key);
    const winner = hits.find(({ service }) => service.key === owner);
    if (!winner) return undefined;
    const others = hits.flatMap(({ service }) => (service === winner.service ? [] : service.key));
    return { winner, others };
  }

  /** Whether `address` is an endpoint's, and whose. */
  endpoint(address: IpAddress): IndexedEndpoint | undefined {
    return this.#endpointIndex.get(address);
  }

  /** Whether any endpoint of any Service says that it is on this node. */
  hasEndpointsOnThisNode(): boolean {
    return this.#endpointIndex.values().some(({ isOnThisNode }) => isOnThisNode);
  }

  get #endpointIndex(): ReadonlyMap<IpAddress, IndexedEndpoint> {
    this.#endpoints ??= indexEndpoints(this.#all, this.#node);
    return this.#endpoints;
  }

  #add(service: IndexedService): void {
    const { spec } = service;
    this.#all.push(service);
    const addresses = [...spec.clusterIPs, ...spec.externalIPs, ...spec.loadBalancerIPs];
    for (const address of new Set(addresses)) addTo(this.#byAddress, address, service);
    const nodePorts = spec.ports.flatMap(({ nodePort }) => (nodePort === 0 ? [] : nodePort));
    for (const nodePort of new Set(nodePorts)) addTo(this.#byNodePort, nodePort, service);
  }
}

function indexEndpoints(
  services: readonly IndexedService[],
  node: NodeFacts,
): ReadonlyMap<IpAddress, IndexedEndpoint> {
  const endpoints = new Map<IpAddress, IndexedEndpoint>();
  for (const { key, slices } of services) {
    for (const { address, nodeName } of slices.flatMap((slice) => slice.endpoints)) {
      const known = endpoints.get(address);
      endpoints.set(address, {
        services: known ? [...new Set([...known.services, key])] : [key],
        isOnThisNode: known?.isOnThisNode || nodeName === node.name,
      });
    }
  }
  return endpoints;
}

function addTo<K>(index: Map<K, IndexedService[]>, key: K, service: IndexedService): void {
  const services = index.get(key);
  if (services) services.push(service);
  else index.set(key, [service]);
}
