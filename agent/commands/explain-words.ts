// SPDX-License-Identifier: Apache-2.0
// What agent/model/explain.ts found, in sentences for people. Decides nothing. Used by explain-answer.ts.

import { familyOf, type IpAddress, type IpPrefix, prefixContains } from '../model/address.ts';
import type { Excluded, Exclusion } from '../model/endpoint-selection.ts';
import type { Cause, Explanation, NodeCount, Note, OtherFrontend } from '../model/explanation.ts';
import type { NodeFacts } from '../model/node-facts.ts';
import type { EndpointPortSpec } from '../model/objects.ts';

/** Names in a list before the rest is only counted. */
const SHOWN_NAMES = 3;

/** The decision and its reason in one sentence. */
export function reasonSentence(explanation: Explanation, node: NodeFacts): string {
  return SENTENCES[explanation.cause](explanation, node);
}

/** Why an endpoint is not used, as a phrase. */
export function exclusionPhrase(
  { candidate, exclusion }: Excluded,
  explanation: Explanation,
  node: NodeFacts,
): string {
  const { nodeName, zoneHints, nodeHints } = candidate.endpoint;
  const isLocal = explanation.list === 'local';
  switch (exclusion) {
    case 'not ready':
      return 'not ready';
    case 'not serving':
      return 'terminating, and no longer serving';
    case 'terminating':
      return isLocal
        ? 'terminating, and others on this node are ready'
        : 'terminating, and others are ready';
    case 'weight 0':
      return 'its weight is 0, and others have some';
    case 'on another node':
      return `on ${nodeName ?? 'no known node'}, and ${policyName(explanation)} is Local`;
    case 'hinted to other nodes':
      return `hinted to ${list(nodeHints ?? [])}, this node is ${node.name}`;
    case 'hinted to other zones':
      return `hinted to ${list(zoneHints ?? [])}, this node is in ${node.zone}`;
    case 'duplicate':
      return 'listed twice, the other entry counts';
  }
}

/** What to do next, or to know besides; one line each. */
export function hints(explanation: Explanation, node: NodeFacts): string[] {
  const ofNotes = explanation.notes.flatMap((note) => noteHint(note, explanation, node) ?? []);
  const leftOut = explanation.notes.flatMap((note) =>
    note.code === 'left-out'
      ? `Left out of ${note.object.kind} ${note.object.key}: ${note.object.reason}`
      : [],
  );
  return [...ofNotes, ...causeHints(explanation, node), ...leftOut];
}

/** `default/quote:http`; `default/quote` for a port without a name. */
export function servicePortName({ service, servicePort }: Explanation): string {
  const portName = servicePort?.portName;
  return portName ? `${service}:${portName}` : `${service}`;
}

/** The field that holds the policy for what was dialled. */
function policyName({ frontend }: Pick<Explanation, 'frontend'>): string {
  return frontend?.kind === 'clusterIP' ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
}

type Sentence = (explanation: Explanation, node: NodeFacts) => string;

const SENTENCES: Readonly<Record<Cause, Sentence>> = {
  served: servedSentence,
  'families-differ': ({ query }) =>
    `Left alone: ${query.from} cannot dial ${query.to.address}, which is of another family.`,
  'no-endpoints': refusedSentence,
  'no-local-endpoints': (explanation, node) => {
    const note = noteOf(explanation, 'endpoints-elsewhere');
    const isHere = explanation.excluded.some(
      ({ candidate }) => candidate.endpoint.nodeName === node.name,
    );
    const none = isHere ? 'no endpoint that is ready' : 'no endpoint';
    return `Dropped: ${policyName(explanation)} is Local and ${node.name} has ${none}; ${nodeCounts(note?.nodes ?? [])}.`;
  },
  'source-not-allowed': (explanation, node) => {
    const ranges = noteOf(explanation, 'source-ranges')?.ranges ?? [];
    return `Dropped: ${clientOf(explanation, node)} is in none of the loadBalancerSourceRanges of ${explanation.service}: ${list(ranges)}.`;
  },
  'closed-port': (explanation) =>
    `Refused: ${explanation.query.to.address} is the clusterIP of ${explanation.service}, which has no port ${dialledPort(explanation)}${butPorts(explanation)}.`,
  unallocated: (explanation, { serviceCIDRs }) => {
    const { address } = explanation.query.to;
    return `Dropped: ${address} is in the ServiceCIDR ${cidrOf(serviceCIDRs, address)}, and ${whoHasIt(explanation)}.`;
  },
  'other-proxy': ({ query }) =>
    `Left alone: ${query.to.address} is the clusterIP of a Service that its label service.kubernetes.io/service-proxy-name leaves to another proxy.`,
  'foreign-loopback': ({ query }) =>
    `Left alone: ${query.to.address} is the client’s own loopback, where nothing is served.`,
  'unserved-port': unservedSentence,
  'node-port-not-here': (explanation, { nodePortAddresses: rule }) =>
    `Left alone: ${dialledPort(explanation)} is the nodePort of ${nodePortOwners(explanation)}, but nodePorts are not served on ${explanation.query.to.address}: they are on ${rule === 'primary' ? 'node IPs' : list(rule)} alone.`,
  'node-port-elsewhere': (explanation, { name }) =>
    `Left alone: ${explanation.query.to.address} is not an address of ${name}; the node that has it serves nodePort ${dialledPort(explanation)} of ${nodePortOwners(explanation)}.`,
  'local-address': (explanation, { name }) =>
    `Left alone: ${explanation.query.to.address} is ${name} itself, and ${dialledPort(explanation)} is no nodePort${ofFamily(explanation)}${butPorts(explanation)}.`,
  'endpoint-address': (explanation) =>
    `Left alone: ${explanation.query.to.address} is an endpoint of ${list(noteOf(explanation, 'endpoint-of')?.services ?? [])}, dialled without its Service.`,
  'unknown-address': (explanation) => {
    const { address } = explanation.query.to;
    const named = leftOutNames(explanation);
    return named
      ? `Left alone: ${address} is named by what was left out, ${named}.`
      : `Left alone: no Service has ${address}.`;
  },
};

function servedSentence(explanation: Explanation): string {
  const { backends, excluded, isLastResort, isShortCircuit, list } = explanation;
  const isLocal = list === 'local';
  const are = backends.length === 1 ? 'is' : 'are';
  const where = isLocal ? ' on this node' : '';
  const why = [
    ...(isLastResort ? [`which ${are} terminating, since none${where} is ready`] : []),
    ...(isLocal ? [`since ${policyName(explanation)} is Local`] : []),
    ...(isShortCircuit
      ? ['since externalTrafficPolicy Local does not bind clients inside the cluster']
      : []),
  ];
  const others = exclusionCounts(excluded);
  return [
    `${servicePortName(explanation)} is served by ${share(backends.length, excluded.length)}`,
    ...why.map((reason) => `, ${reason}`),
    others ? `: ${others}.` : '.',
  ].join('');
}

function refusedSentence(explanation: Explanation): string {
  const { service, servicePort, notes } = explanation;
  const name = servicePortName(explanation);
  for (const note of notes) {
    switch (note.code) {
      case 'no-slices':
        return `Refused: ${service} has no EndpointSlice, so nothing serves it.`;
      case 'no-slices-of-family':
        return `Refused: ${service} has EndpointSlices, but none for ${note.family}.`;
      case 'port-names-differ':
        return `Refused: no EndpointSlice of ${service} has a ${servicePort?.protocol} port ${servicePort?.portName ? `named "${servicePort.portName}"` : 'without a name'}; they have ${slicePorts(note.found)}.`;
      case 'empty-slices':
        return `Refused: the EndpointSlices of ${name} have no endpoints.`;
    }
  }
  return `Refused: no endpoint of ${name} is ready, nor serving while it terminates.`;
}

function unservedSentence(explanation: Explanation): string {
  const { address } = explanation.query.to;
  const foreign = noteOf(explanation, 'family-not-served');
  if (foreign) {
    return `Left alone: ${foreign.service} names ${address}, but has no clusterIP for ${familyOf(address)}, so it does not exist there.`;
  }
  const bare = noteOf(explanation, 'no-ports');
  if (bare && !noteOf(explanation, 'other-ports')) {
    return `Left alone: ${address} is an address of ${bare.service}, which has no ports.`;
  }
  return `Left alone: ${address} is an address of ${ownersOf(explanation)}, but not with port ${dialledPort(explanation)}${butPorts(explanation)}.`;
}

/** Of an address in a ServiceCIDR, after "and". */
function whoHasIt(explanation: Explanation): string {
  const bare = noteOf(explanation, 'no-ports');
  const foreign = noteOf(explanation, 'family-not-served');
  const leftOut = leftOutNames(explanation);
  if (noteOf(explanation, 'other-ports')) {
    return `no clusterIP; ${ownersOf(explanation)} names it, but not with port ${dialledPort(explanation)}${butPorts(explanation)}`;
  }
  if (bare) return `${bare.service}, which has it, has no ports`;
  if (foreign) return `${foreign.service}, which names it, has no clusterIP of that family`;
  return leftOut ? `what names it was left out: ${leftOut}` : 'no Service has it';
}

/** The Services that serve other ports of the address. */
function ownersOf(explanation: Explanation): string {
  const frontends = noteOf(explanation, 'other-ports')?.frontends ?? [];
  return list([...new Set(frontends.map(({ service }) => service))]);
}

/** Of what was left out and has to do with the question: `Service default/quote`; '' for nothing. */
function leftOutNames({ notes }: Explanation): string {
  return list(
    notes.flatMap((note) =>
      note.code === 'left-out' ? `${note.object.kind} ${note.object.key}` : [],
    ),
  );
}

function causeHints(explanation: Explanation, node: NodeFacts): string[] {
  const { cause, query, service, excluded, frontend } = explanation;
  const [namespace, name] = service?.split('/') ?? [];
  switch (cause) {
    case 'no-endpoints':
      return [
        excluded.length
          ? `See why its pods are not ready: kubectl describe pods -n ${namespace}`
          : `See what there is: kubectl get endpointslices -n ${namespace} -l kubernetes.io/service-name=${name} -o yaml`,
      ];
    case 'no-local-endpoints':
      return [
        `Put a pod of ${service} on ${node.name}, or set ${policyName({ frontend })} to Cluster.`,
      ];
    case 'source-not-allowed':
      return [`Let the client in with a CIDR in spec.loadBalancerSourceRanges of ${service}.`];
    case 'families-differ':
      return [`Ask for the client’s ${familyOf(query.to.address)} address.`];
    case 'node-port-elsewhere':
      return unknownNode(query.to.address, node);
    case 'unallocated':
      // Where something names the address, the sentence says what.
      return explanation.notes.length
        ? []
        : ['A Service that was deleted? Clients may have its address from an old DNS answer.'];
    default:
      return [];
  }
}

/** Without a Node object and --node-ip every address is somebody else's. */
function unknownNode(dialled: IpAddress, { name, localAddresses }: NodeFacts): string[] {
  const family = familyOf(dialled);
  return [...localAddresses].some((address) => familyOf(address) === family)
    ? []
    : [`No ${family} address of ${name} is known: is that one of them (--node-ip)?`];
}

function noteHint(note: Note, { query }: Explanation, node: NodeFacts): string | undefined {
  switch (note.code) {
    case 'also-claimed':
      return `${list(note.by)} asks for it too, and does not get it.`;
    case 'no-slices':
      return 'Does its selector match pods? Slices with the label service.kubernetes.io/headless do not count.';
    case 'port-names-differ':
      return 'Ports join by name and protocol: give the Service’s port and the slices’ the same name.';
    case 'dialled-node-port':
      return `${query.to.port} is its nodePort: dial it on an address of a node.`;
    case 'dialled-endpoint-port':
      return `${query.to.port} is the port of its endpoints: dial ${note.frontend.port}.`;
    case 'node-without-endpoints':
      return `No endpoint of any Service is on ${node.name}: is that the name of its Node object (--node-name)?`;
    case 'may-reach-itself':
      return 'One of the backends is the client itself: when it is picked, packets get an address of the node.';
    case 'no-detector':
      return 'No CIDR tells pods from outsiders: endpoints on this node count as pods (--cluster-cidr).';
    default:
      return undefined;
  }
}

function clientOf({ query }: Explanation, { name, nodeIPs }: NodeFacts): string {
  if (query.from === 'external') return 'a client of which no address is known';
  if (query.from !== 'host') return query.from;
  const family = familyOf(query.to.address);
  const nodeIP = nodeIPs.find((address) => familyOf(address) === family);
  return nodeIP
    ? `${nodeIP}, which is ${name} itself,`
    : `${name}, which has no known ${family} address,`;
}

/** `all 3 endpoints`, `2 of 3 endpoints`. */
function share(used: number, left: number): string {
  if (left) return `${used} of ${used + left} endpoints`;
  return used === 1 ? 'its one endpoint' : `all ${used} endpoints`;
}

const COUNTED: Readonly<Record<Exclusion, readonly [one: string, many: string]>> = {
  'not ready': ['is not ready', 'are not ready'],
  'not serving': ['no longer serves', 'no longer serve'],
  terminating: ['is terminating', 'are terminating'],
  'weight 0': ['has no weight', 'have no weight'],
  'on another node': ['is on another node', 'are on other nodes'],
  'hinted to other nodes': ['is hinted to another node', 'are hinted to other nodes'],
  'hinted to other zones': ['is hinted to another zone', 'are hinted to other zones'],
  duplicate: ['is listed twice', 'are listed twice'],
};

/** `1 is not ready, 2 are hinted to zone-b`. */
function exclusionCounts(excluded: readonly Excluded[]): string {
  const groups = Map.groupBy(excluded, ({ exclusion }) => exclusion);
  return [...groups]
    .map(([exclusion, of]) => {
      const [one, many] = COUNTED[exclusion];
      const words = of.length === 1 ? one : many;
      const place = commonPlace(exclusion, of);
      return `${of.length} ${place ? words.replace(/(on|to) (an)?other .*/, `$1 ${place}`) : words}`;
    })
    .join(', ');
}

/** The node or zone that all of `excluded` have in common. */
function commonPlace(exclusion: Exclusion, excluded: readonly Excluded[]): string | undefined {
  const places = new Set(
    excluded.map(({ candidate: { endpoint } }) => {
      if (exclusion === 'on another node') return endpoint.nodeName;
      if (exclusion === 'hinted to other nodes') return endpoint.nodeHints?.join(', ');
      if (exclusion === 'hinted to other zones') return endpoint.zoneHints?.join(', ');
      return undefined;
    }),
  );
  return places.size === 1 ? [...places][0] : undefined;
}

/** `node-2 has 2, node-3 has 1, 4 other nodes have 9`. */
function nodeCounts(nodes: readonly NodeCount[]): string {
  const shown = nodes.slice(0, SHOWN_NAMES);
  const rest = nodes.slice(SHOWN_NAMES);
  const more = rest.reduce((sum, { count }) => sum + count, 0);
  return [
    ...shown.map(({ node, count }) =>
      node === undefined ? `${count} on no known node` : `${node} has ${count}`,
    ),
    ...(rest.length ? [`${rest.length} more have ${more}`] : []),
  ].join(', ');
}

function dialledPort({ query: { to } }: Explanation): string {
  return `${to.port}/${to.protocol}`;
}

/** `; it has 80/TCP, 443/TCP` */
function butPorts(explanation: Explanation): string {
  const frontends = noteOf(explanation, 'other-ports')?.frontends ?? [];
  if (!frontends.length) return '';
  const has = explanation.cause === 'local-address' ? 'but there is' : 'it has';
  return `; ${has} ${list([...new Set(frontends.map(portText))])}`;
}

function portText({ port, protocol }: OtherFrontend): string {
  return `${port}/${protocol}`;
}

/** ` for IPv6, of which default/quote has no clusterIP`: the nodePort is of the other family alone. */
function ofFamily(explanation: Explanation): string {
  const note = noteOf(explanation, 'node-port-of-other-family');
  const family = familyOf(explanation.query.to.address);
  return note ? ` for ${family}, of which ${list(note.services)} has no clusterIP` : '';
}

function nodePortOwners(explanation: Explanation): string {
  const owners = noteOf(explanation, 'node-port-of')?.frontends.map(({ service }) => service);
  return list([...new Set(owners)]);
}

function slicePorts(ports: readonly EndpointPortSpec[]): string {
  if (!ports.length) return 'no ports';
  return list(
    ports.map(({ name, protocol, port }) =>
      name ? `"${name}" (${port}/${protocol})` : `${port}/${protocol} without a name`,
    ),
  );
}

function cidrOf(
  cidrs: readonly IpPrefix[],
  address: Explanation['query']['to']['address'],
): string {
  return cidrs.find((cidr) => prefixContains(cidr, address)) ?? '';
}

function list(names: readonly string[]): string {
  const rest = names.length - SHOWN_NAMES;
  return rest > 0 ? `${names.slice(0, SHOWN_NAMES).join(', ')} and ${rest} more` : names.join(', ');
}

function noteOf<Code extends Note['code']>(
  { notes }: Explanation,
  code: Code,
): Extract<Note, { code: Code }> | undefined {
  return notes.find((note): note is Extract<Note, { code: Code }> => note.code === code);
}
