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
import { MultiMap } from './multi-map.ts';
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
  /** Addresses of Services that another proxy serves. */
  readonly foreignAddresses: readonly IpAddress[];
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

export class IndexedService {
  readonly spec: ServiceSpec;
  readonly key: ObjectKey;
  readonly #cluster: ClusterView;
  readonly #node: NodeFacts;
  #selected: Map<string, Selected> | undefined;
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
    this.#selected ??= new Map();
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
  readonly #cluster: ClusterView;
  readonly #node: NodeFacts;
  readonly #byAddress = new MultiMap<IpAddress, ServiceSpec>();
  readonly #byNodePort = new MultiMap<number, ServiceSpec>();
  readonly #asked = new Map<ServiceSpec, IndexedService>();
  #endpoints: EndpointIndex | undefined;

  constructor(cluster: ClusterView, node: NodeFacts) {
    this.leftOut = new LeftOut(cluster.skipped, (key) => cluster.service(key) !== undefined);
    this.#cluster = cluster;
    this.#node = node;
    for (const key of cluster.services()) {
      const spec = cluster.service(key);
      if (spec) this.#add(spec);
    }
  }

  /** Services that name `address`, whether or not they serve it. */
  withAddress(address: IpAddress): readonly IndexedService[] {
    return this.#byAddress.get(address).map((spec) => this.#service(spec));
  }

  /** Services of which a port, of any protocol, has this nodePort. */
  withNodePort(nodePort: number): readonly IndexedService[] {
    return this.#byNodePort.get(nodePort).map((spec) => this.#service(spec));
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

  /** The Services of which `address` is an endpoint. */
  endpointOf(address: IpAddress): readonly ObjectKey[] {
    return this.#endpointIndex.services.get(address);
  }

  /** The addresses of all endpoints that say that they are on this node. */
  get endpointsOnThisNode(): ReadonlySet<IpAddress> {
    return this.#endpointIndex.onThisNode;
  }

  /** The largest part of the work, which only some questions need. */
  get #endpointIndex(): EndpointIndex {
    this.#endpoints ??= indexEndpoints(this.#cluster, this.#node);
    return this.#endpoints;
  }

  #service(spec: ServiceSpec): IndexedService {
    const service = this.#asked.get(spec) ?? new IndexedService(spec, this.#cluster, this.#node);
    this.#asked.set(spec, service);
    return service;
  }

  #add(spec: ServiceSpec): void {
    for (const address of spec.clusterIPs) this.#byAddress.add(address, spec);
    for (const address of spec.externalIPs) this.#byAddress.add(address, spec);
    for (const address of spec.loadBalancerIPs) this.#byAddress.add(address, spec);
    for (const { nodePort } of spec.ports) {
      if (nodePort !== 0) this.#byNodePort.add(nodePort, spec);
    }
  }
}

interface EndpointIndex {
  readonly services: MultiMap<IpAddress, ObjectKey>;
  readonly onThisNode: ReadonlySet<IpAddress>;
}

function indexEndpoints(cluster: ClusterView, node: NodeFacts): EndpointIndex {
  const services = new MultiMap<IpAddress, ObjectKey>();
  const onThisNode = new Set<IpAddress>();
  for (const service of cluster.services()) {
    for (const { endpoints } of cluster.endpointSlices(service)) {
      for (const { address, nodeName } of endpoints) {
        services.add(address, service);
        if (nodeName === node.name) onThisNode.add(address);
      }
    }
  }
  return { services, onThisNode };
}
