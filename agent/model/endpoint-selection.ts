// SPDX-License-Identifier: Apache-2.0
// Which endpoints of a service port may serve, of one family, for this node (semantics 1.4, 1.5): the
// cluster list, the local list, and why an endpoint is in neither. Pure; read by resolve.ts and by explain-index.ts.

import { formatEndpoint, type IpAddress, type IpFamily } from './address.ts';
import type {
  EndpointPortSpec,
  EndpointSliceSpec,
  EndpointSpec,
  ServicePortSpec,
} from './objects.ts';
import type { Backend } from './service-port.ts';

/** What a decision depends on besides the objects of the Service. */
export interface NodeTraits {
  /** Compared with the endpoints' nodeName. */
  readonly name: string;
  /** Label topology.kubernetes.io/zone of the node; '' without one, which no hint names. */
  readonly zone: string;
  /** The node's first address of each family. */
  readonly nodeIPs: readonly IpAddress[];
}

/** An endpoint of one service port: an endpoint of a slice, with the port that the slice names for it. */
export interface Candidate {
  readonly backend: Backend;
  readonly endpoint: EndpointSpec;
  /** Its share, against those of the others; 0: nothing new, while another has some. */
  readonly weight: number;
}

export interface Candidates {
  /** Each address and port once, in the order of their texts. */
  readonly found: readonly Candidate[];
  /** Left out for another candidate with the same address and port. */
  readonly duplicates: readonly Candidate[];
}

/**
 * Which hints narrow the cluster list: those for nodes, for zones, or none.
 * Endpoints that are not ready have no say in it.
 */
export type TopologyMode = 'node' | 'zone' | 'none';

/** Which of the two lists: every node's endpoints, or this node's alone. */
export type EndpointList = 'cluster' | 'local';

export interface Selection {
  readonly topology: TopologyMode;
  /** What could serve on some node or other: the ready ones, else those that still serve while they terminate. */
  readonly usable: readonly Candidate[];
  /** For traffic policy Cluster. */
  readonly cluster: readonly Candidate[];
  /** For traffic policy Local. */
  readonly local: readonly Candidate[];
  /** Whether some endpoint anywhere could serve: decides between refusing and dropping. */
  readonly hasAny: boolean;
}

/** Why an endpoint is not in a list. */
export type Exclusion =
  | 'duplicate'
  | 'not ready'
  | 'not serving'
  | 'terminating'
  | 'weight 0'
  | 'on another node'
  | 'hinted to other nodes'
  | 'hinted to other zones';

export interface Excluded {
  readonly candidate: Candidate;
  readonly exclusion: Exclusion;
}

/**
 * The union over all slices, each address and port once: a pod network may give an address away while its
 * old pod still terminates, so an entry that does not terminate wins (semantics 1.4). Among the others the
 * more useful one does: which slice came first must not matter.
 */
export function candidates(
  slices: readonly EndpointSliceSpec[],
  family: IpFamily,
  port: Pick<ServicePortSpec, 'name' | 'protocol'>,
): Candidates {
  const found = new Map<string, Candidate>();
  const duplicates: Candidate[] = [];
  for (const slice of slices) {
    if (slice.addressType !== family) continue;
    for (const endpointPort of slice.ports) {
      if (!isSamePort(endpointPort, port)) continue;
      for (const endpoint of slice.endpoints) {
        const id = formatEndpoint(endpoint.address, endpointPort.port);
        const candidate = {
          backend: { address: endpoint.address, port: endpointPort.port },
          endpoint,
          weight: slice.weight ?? DEFAULT_WEIGHT,
        };
        const known = found.get(id);
        const isBetter = !known || isPreferred(candidate, known);
        if (known) duplicates.push(isBetter ? known : candidate);
        if (isBetter) found.set(id, candidate);
      }
    }
  }
  if (found.size < 2) return { found: [...found.values()], duplicates };
  const ids = [...found.keys()].sort();
  return { found: ids.map((id) => found.get(id) as Candidate), duplicates };
}

const DEFAULT_WEIGHT = 1;

/** Where nothing has any weight, all are alike. */
function withWeight(candidates: readonly Candidate[]): readonly Candidate[] {
  if (candidates.every(({ weight }) => weight > 0)) return candidates;
  const weighty = candidates.filter(({ weight }) => weight > 0);
  return weighty.length ? weighty : candidates;
}

/** The lists of `found` for a node. */
export function select(found: readonly Candidate[], node: NodeTraits): Selection {
  const ready = found.filter(({ endpoint }) => endpoint.ready);
  const topology = topologyMode(ready, node);
  // Nearly always there is none, and only where nothing better is does one count.
  const lastResort =
    ready.length === found.length ? [] : found.filter(({ endpoint }) => isLastResort(endpoint));
  const usable = ready.length ? ready : lastResort;
  const localReady = ready.filter((candidate) => isLocal(candidate, node));
  return {
    topology,
    usable,
    // Without a ready endpoint there is no topology, and nothing is narrowed.
    cluster: withWeight(
      topology === 'none'
        ? usable
        : usable.filter((candidate) => isHinted(candidate, topology, node)),
    ),
    local: withWeight(
      localReady.length ? localReady : lastResort.filter((candidate) => isLocal(candidate, node)),
    ),
    hasAny: usable.length > 0,
  };
}

/** Every endpoint that `selection` was made of and that is not in its `list`, with the reason. */
export function excludedFrom(
  list: EndpointList,
  { found, duplicates }: Candidates,
  selection: Selection,
  node: NodeTraits,
): Excluded[] {
  const chosen = new Set(selection[list]);
  const others = found.filter((candidate) => !chosen.has(candidate));
  return [
    ...others.map((candidate) => ({
      candidate,
      exclusion: exclusionOf(candidate, list, selection, node),
    })),
    ...duplicates.map((candidate) => ({ candidate, exclusion: 'duplicate' as const })),
  ];
}

function exclusionOf(
  candidate: Candidate,
  list: EndpointList,
  selection: Selection,
  node: NodeTraits,
): Exclusion {
  const { endpoint } = candidate;
  if (list === 'local' && !isLocal(candidate, node)) return 'on another node';
  if (endpoint.ready) {
    if (list === 'local' || isHinted(candidate, selection.topology, node)) return 'weight 0';
    return selection.topology === 'node' ? 'hinted to other nodes' : 'hinted to other zones';
  }
  if (isLastResort(endpoint))
    return selection[list][0]?.endpoint.ready ? 'terminating' : 'weight 0';
  return endpoint.terminating ? 'not serving' : 'not ready';
}

/** Whether the endpoint is on `node`; one of which no node is known is on none. */
export function isLocal({ endpoint }: Candidate, node: Pick<NodeTraits, 'name'>): boolean {
  return endpoint.nodeName !== undefined && endpoint.nodeName === node.name;
}

/** What still serves while it terminates, for when nothing is ready (KEP-1669). */
function isLastResort({ ready, serving, terminating }: EndpointSpec): boolean {
  return !ready && serving && terminating;
}

/** All ready endpoints must have a hint, and one must name this node, or its zone. */
function topologyMode(ready: readonly Candidate[], node: NodeTraits): TopologyMode {
  for (const mode of ['node', 'zone'] as const) {
    const isComplete = ready.every(({ endpoint }) => hintsOf(endpoint, mode) !== undefined);
    if (isComplete && ready.some((candidate) => isHinted(candidate, mode, node))) return mode;
  }
  return 'none';
}

function isHinted({ endpoint }: Candidate, mode: TopologyMode, node: NodeTraits): boolean {
  if (mode === 'none') return true;
  const name = mode === 'node' ? node.name : node.zone;
  return name !== '' && (hintsOf(endpoint, mode)?.includes(name) ?? false);
}

function hintsOf(endpoint: EndpointSpec, mode: 'node' | 'zone'): readonly string[] | undefined {
  return mode === 'node' ? endpoint.nodeHints : endpoint.zoneHints;
}

/** Of two that are as useful, either will do, but always the same. */
function isPreferred(a: Candidate, b: Candidate): boolean {
  const [rankA, rankB] = [rank(a.endpoint), rank(b.endpoint)];
  return rankA === rankB ? placeText(a) < placeText(b) : rankA > rankB;
}

function placeText({ endpoint, weight }: Candidate): string {
  const { nodeName, zone, nodeHints, zoneHints } = endpoint;
  return JSON.stringify([nodeName, zone, nodeHints, zoneHints, weight]);
}

function rank({ ready, serving, terminating }: EndpointSpec): number {
  return (terminating ? 0 : 4) + (ready ? 2 : 0) + (serving ? 1 : 0);
}

/** Slices join a service port by name and protocol; the number is the slice's own. */
function isSamePort(
  endpointPort: EndpointPortSpec,
  port: Pick<ServicePortSpec, 'name' | 'protocol'>,
): boolean {
  return endpointPort.name === port.name && endpointPort.protocol === port.protocol;
}
