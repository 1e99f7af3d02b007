// SPDX-License-Identifier: Apache-2.0
// What happens to a connection from one place to another, and why (semantics 1.6 to 1.10, 1.18). Pure. Used by
// the command `explain` and by the agent's status socket. Which backends there are is decided by resolve.ts
// alone; here it is told which of its routes counts for one client.

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  isLoopback,
  prefixContains,
  unspecifiedAddress,
} from './address.ts';
import type { Candidate } from './endpoint-selection.ts';
import { type ClusterView, type Finding, type Hit, ServiceIndex } from './explain-index.ts';
import { notesOnClosedPort, notesOnFrontend, notesOnNobody } from './explain-notes.ts';
import {
  type Cause,
  type DialledFrontend,
  type Explanation,
  isAddress,
  isOfOneFamily,
  type Masquerade,
  type Query,
  VERDICTS,
} from './explanation.ts';
import {
  hasDetector,
  isInClusterCidr,
  type NodeFacts,
  nodePortAddressesOf,
  type Origin,
  originOf,
  servesLoopbackNodePorts,
} from './node-facts.ts';
import type { TrafficPolicy } from './objects.ts';
import { policyOf, type Route } from './resolve.ts';
import { slotCount } from './run-content.ts';

/** The client's address as rules see it: the node's is its node IP. undefined: not known. */
type Source = IpAddress | undefined;

interface Client {
  readonly origin: Origin;
  readonly source: Source;
  /** Of what it dials. */
  readonly family: IpFamily;
}

/** Answers queries about the cluster as it was when this was made. */
export class Explainer {
  readonly #node: NodeFacts;
  readonly #index: ServiceIndex;
  readonly #nodePortAddresses: ReadonlySet<IpAddress>;
  readonly #foreignAddresses: ReadonlySet<IpAddress>;

  constructor(cluster: ClusterView, node: NodeFacts) {
    this.#node = node;
    this.#index = new ServiceIndex(cluster, node);
    this.#foreignAddresses = new Set(cluster.foreignAddresses);
    this.#nodePortAddresses = new Set(nodePortAddressesOf(node));
  }

  explain(query: Query): Explanation {
    const { protocol, address, port } = query.to;
    const origin = this.#originOf(query.from);
    if (!isOfOneFamily(query)) return undecided(query, origin, 'families-differ');
    const atAddress = this.#index.find({ scope: 'address', protocol, address, port });
    if (atAddress) return this.#explainFrontend(query, origin, atAddress);
    const atNode = this.#findNodePort(query);
    if (atNode && this.#servesNodePorts(origin, address)) {
      return this.#explainFrontend(query, origin, atNode);
    }
    const closed = this.#index.find({ scope: 'otherPorts', protocol: 'any', address, port: 0 });
    if (closed) return this.#explainClosedPort(query, origin, closed.winner);
    const isServiceAddress = this.#node.serviceCIDRs.some((cidr) => prefixContains(cidr, address));
    const cause = this.#foreignAddresses.has(address)
      ? 'other-proxy'
      : isServiceAddress
        ? 'unallocated'
        : this.#causeOfPassing(query, origin);
    return { ...undecided(query, origin, cause), notes: notesOnNobody(this.#index, query, cause) };
  }

  /** An endpoint that is no node's: a node is an endpoint too, of what runs on its own network. */
  #isPod(address: IpAddress): boolean {
    return isInClusterCidr(this.#node, address) && this.#index.endpointOf(address).length > 0;
  }

  #originOf(from: Query['from']): Origin {
    if (!isAddress(from)) return from;
    const index = this.#index;
    // Looked at only where no CIDR tells.
    const own = { has: (address: IpAddress) => index.endpointsOnThisNode.has(address) };
    return originOf(this.#node, own, from);
  }

  #findNodePort({ to: { protocol, address, port } }: Query): Finding | undefined {
    const any = unspecifiedAddress(familyOf(address));
    return this.#index.find({ scope: 'node', protocol, address: any, port });
  }

  /** A pod's loopback is the pod's own. */
  #servesNodePorts(origin: Origin, address: IpAddress): boolean {
    if (isLoopbackDialled(address)) return origin === 'host' && servesLoopbackNodePorts(this.#node);
    return this.#nodePortAddresses.has(address);
  }

  #explainFrontend(query: Query, origin: Origin, finding: Finding): Explanation {
    const { service, resolved, port, resolvedPort } = finding.winner;
    const kind = resolved.kind as DialledFrontend['kind'];
    const policy = policyOf(service.spec, kind);
    const route = origin === 'external' ? resolved.outside : resolved.inside;
    const family = familyOf(query.to.address);
    const source = this.#sourceOf(query);
    const selected = service.selected(port, family);
    const cause = this.#causeAt(source, finding.winner, route);
    const backends = cause === 'served' ? selected.selection[route.list] : [];
    const isServed = backends.length > 0;
    return {
      query,
      origin,
      cause,
      verdict: VERDICTS[cause],
      service: service.key,
      frontend: { kind, ...query.to },
      servicePort: resolvedPort.servicePort,
      policy,
      list: route.list,
      isShortCircuit:
        isServed && kind !== 'clusterIP' && policy === 'Local' && route.list === 'cluster',
      topology: route.list === 'cluster' ? selected.selection.topology : 'none',
      isLastResort: isServed && backends.every(({ endpoint }) => !endpoint.ready),
      balancing: isServed
        ? { type: service.spec.balancing, slots: slotCount(route, service.spec.balancing) }
        : undefined,
      backends,
      // Where nothing serves anywhere, that is the reason, not where it is.
      excluded: selected.excludedFrom(cause === 'no-endpoints' ? 'cluster' : route.list),
      masquerade: isServed
        ? this.#masquerade({ origin, source, family }, kind, policy, backends)
        : undefined,
      affinityTimeoutSeconds: resolvedPort.affinityTimeoutSeconds,
      notes: notesOnFrontend(this.#index, this.#node, {
        query,
        source,
        finding,
        policy,
        selected,
        cause,
        backends,
      }),
    };
  }

  /** Source ranges come first: who is not in them is dropped even where nothing serves (semantics 1.8, 1.18). */
  #causeAt(source: Source, { resolved, resolvedPort }: Hit, route: Route): Cause {
    if (resolved.isRestricted) {
      const isAllowed =
        source !== undefined &&
        resolvedPort.sourceRanges.some((range) => prefixContains(range, source));
      if (!isAllowed) return 'source-not-allowed';
    }
    if (route.backends.length) return 'served';
    return route.onEmpty === 'reject' ? 'no-endpoints' : 'no-local-endpoints';
  }

  #sourceOf({ from, to }: Query): Source {
    if (isAddress(from)) return from;
    if (from === 'external') return undefined;
    const family = familyOf(to.address);
    return this.#node.nodeIPs.find((address) => familyOf(address) === family);
  }

  /** Semantics 1.7. */
  #masquerade(
    { origin, source, family }: Client,
    kind: DialledFrontend['kind'],
    policy: TrafficPolicy,
    backends: readonly Candidate[],
  ): Masquerade | undefined {
    if (backends.every(({ backend }) => backend.address === source)) return 'hairpin';
    // The detector goes by the address alone: one of the node itself, a bridge's say, is a pod's to it.
    const isPod = origin === 'pod' || (source !== undefined && isInClusterCidr(this.#node, source));
    if (kind === 'clusterIP') {
      if (this.#node.masqueradeAll) return 'masquerade-all';
      return !isPod && hasDetector(this.#node, family) ? 'not-a-pod' : undefined;
    }
    if (policy === 'Cluster') return 'external-traffic';
    return origin === 'host' && !isPod ? 'from-this-node' : undefined;
  }

  #explainClosedPort(query: Query, origin: Origin, hit: Hit): Explanation {
    return {
      ...undecided(query, origin, 'closed-port'),
      service: hit.service.key,
      notes: notesOnClosedPort(this.#index, query, hit),
    };
  }

  #causeOfPassing(query: Query, origin: Origin): Cause {
    const { address } = query.to;
    const isOwn = isLoopbackDialled(address) || this.#node.localAddresses.has(address);
    if (isLoopbackDialled(address) && origin !== 'host') return 'foreign-loopback';
    if (this.#index.withAddress(address).length) return 'unserved-port';
    if (!isOwn && this.#isPod(address)) return 'endpoint-address';
    if (this.#findNodePort(query)) return isOwn ? 'node-port-not-here' : 'node-port-elsewhere';
    if (isOwn) return 'local-address';
    return this.#index.endpointOf(address).length ? 'endpoint-address' : 'unknown-address';
  }
}

/** To dial the unspecified address is to dial loopback. */
function isLoopbackDialled(address: IpAddress): boolean {
  return isLoopback(address) || address === unspecifiedAddress(familyOf(address));
}

function undecided(query: Query, origin: Origin, cause: Cause): Explanation {
  return {
    query,
    origin,
    cause,
    verdict: VERDICTS[cause],
    service: undefined,
    frontend: undefined,
    servicePort: undefined,
    policy: undefined,
    list: 'cluster',
    isShortCircuit: false,
    topology: 'none',
    isLastResort: false,
    balancing: undefined,
    backends: [],
    excluded: [],
    masquerade: undefined,
    affinityTimeoutSeconds: 0,
    notes: [],
  };
}
