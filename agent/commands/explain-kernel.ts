// SPDX-License-Identifier: Apache-2.0
// What the kernel's tables make of a connection, looked up as the programs do (frontend_find in
// bpf/service.bpf.h), and where that differs from what should be. Used by `explain`. Reads, never writes.

import {
  familyOf,
  formatEndpoint,
  type IpAddress,
  isLoopback,
  unspecifiedAddress,
} from '../model/address.ts';
import { isAddress, isOfOneFamily, type Query, type Verdict } from '../model/explanation.ts';
import type { Origin } from '../model/node-facts.ts';
import type { Balancing } from '../model/objects.ts';
import { type Backend, distinctBackends, type FrontendKind } from '../model/service-port.ts';
import { frontendEntryKey, frontendKindOf, servicePortOf } from '../reconcile/entries.ts';
import type { Tables } from '../sys/datapath.ts';
import { KernelMap } from '../sys/kernel-map.ts';
import {
  FrontendFlags,
  type FrontendKey,
  type FrontendValue,
  type IpPort,
  type IpPrefix,
  MAPS,
  type Node,
  NodeFlags,
  type NodePortAddress,
  type Presence,
  type ServicePortName,
  type SlotRun,
  type SourceRangeKey,
} from '../sys/layout.gen.ts';
import type { Answer, KernelAnswer } from './explain-answer.ts';

interface Lookup<K, V> {
  get(key: K): V | undefined;
}

/** What is looked up; a trie answers for the longest prefix that holds the key. */
export interface LookupTables {
  readonly frontends: Lookup<FrontendKey, FrontendValue>;
  readonly servicePorts: Lookup<number, ServicePortName>;
  readonly slots: Lookup<number, IpPort>;
  readonly sourceRanges: Lookup<SourceRangeKey, Presence>;
  readonly nodes: Lookup<number, Node>;
  readonly nodePortAddresses: Lookup<NodePortAddress, Presence>;
  readonly serviceCidrs: Lookup<IpPrefix, Presence>;
}

/** What the programs would do. */
export interface KernelDecision {
  readonly verdict: Verdict;
  /** undefined: no frontend, or an entry without a name. */
  readonly service: string | undefined;
  readonly kind: FrontendKind | undefined;
  /** 0: none. */
  readonly affinityTimeoutSeconds: number;
  readonly balancing: Balancing;
  /** More than there are backends where these have places in a Maglev table. */
  readonly slots: number;
  /** Each once. */
  readonly backends: readonly Backend[];
}

const ADDRESS_BITS = 128;
const ID_BITS = 32;
/** Slots are listed one look-up each: more than that differ is told by the number alone. */
const SHOWN_DIFFERENCES = 5;

export function lookupTables(tables: Tables): LookupTables {
  return { ...tables, slots: new KernelMap(tables.slots.array, MAPS.slots.inner) };
}

/** @param origin which kind of client `query` has. */
export function kernelDecision(tables: LookupTables, query: Query, origin: Origin): KernelDecision {
  const { protocol, address, port } = query.to;
  if (!isOfOneFamily(query)) return nothing('pass');
  const atAddress = frontendEntryKey({ scope: 'address', protocol, address, port });
  const found = tables.frontends.get(atAddress);
  if (found) return decide(tables, query, origin, found);
  if (servesNodePorts(tables, origin, address)) {
    const any = unspecifiedAddress(familyOf(address));
    const atNode = frontendEntryKey({ scope: 'node', protocol, address: any, port });
    const nodePort = tables.frontends.get(atNode);
    if (nodePort) return decide(tables, query, origin, nodePort);
  }
  const others = frontendEntryKey({ scope: 'otherPorts', protocol: 'any', address, port: 0 });
  const closed = tables.frontends.get(others);
  if (closed) return decide(tables, query, origin, closed);
  const isServiceAddress = tables.serviceCidrs.get({ bits: ADDRESS_BITS, address });
  return nothing(isServiceAddress?.present ? 'drop' : 'pass');
}

/** Where the kernel does otherwise than `answer` says. */
export function compareWithKernel(answer: Answer, kernel: KernelDecision): KernelAnswer {
  const { verdict, service, backends } = kernel;
  const differences = [
    ...difference('verdict', verdict, answer.verdict),
    ...difference('Service', service ?? 'none', answer.service ?? 'none'),
    ...(answer.frontend ? difference('kind', kernel.kind ?? 'none', answer.frontend.kind) : []),
    ...(answer.frontend
      ? difference(
          'affinity time-out',
          kernel.affinityTimeoutSeconds,
          answer.affinity?.timeoutSeconds ?? 0,
        )
      : []),
    ...backendDifferences(backends, answer.backends),
    ...balancingDifferences(answer, kernel),
  ];
  return {
    agrees: !differences.length,
    hasProgram: hasProgram(answer),
    differences,
    verdict,
    service: service ?? null,
    backends,
  };
}

/** What passes is left alone, which takes no program; packets from outside meet one whatever their protocol. */
function hasProgram({ verdict, origin, to }: Answer): boolean {
  return verdict === 'pass' || origin === 'external' || !to.startsWith('sctp/');
}

/** Loopback is the node's own in its own network namespace alone: there the origin is the host. */
function servesNodePorts(tables: LookupTables, origin: Origin, address: IpAddress): boolean {
  if (!isLoopback(address) && address !== unspecifiedAddress(familyOf(address))) {
    return tables.nodePortAddresses.get({ address }) !== undefined;
  }
  const flags = tables.nodes.get(0)?.flags ?? 0;
  return origin === 'host' && (flags & NodeFlags.LOOPBACK_NODE_PORTS) !== 0;
}

function decide(
  tables: LookupTables,
  query: Query,
  origin: Origin,
  frontend: FrontendValue,
): KernelDecision {
  const { servicePortId, flags, affinityTimeoutSeconds } = frontend;
  const name = tables.servicePorts.get(servicePortId);
  const isOutside = origin === 'external';
  const slots = slotsOf(tables, isOutside ? frontend.outside : frontend.inside);
  const backends = distinctBackends(slots);
  const drops = isOutside ? FrontendFlags.DROPS_OUTSIDE : FrontendFlags.DROPS_INSIDE;
  const onEmpty = flags & drops ? 'drop' : 'reject';
  const isAllowed =
    (flags & FrontendFlags.RESTRICTED) === 0 || isSourceAllowed(tables, servicePortId, query);
  const verdict = isAllowed ? (backends.length ? 'forward' : onEmpty) : 'drop';
  return {
    verdict,
    service: name && servicePortOf(name)?.service,
    kind: frontendKindOf(frontend.kind),
    affinityTimeoutSeconds,
    balancing: flags & FrontendFlags.MAGLEV ? 'maglev' : 'random',
    slots: verdict === 'forward' ? slots.length : 0,
    backends: verdict === 'forward' ? backends : [],
  };
}

function isSourceAllowed(tables: LookupTables, servicePortId: number, query: Query): boolean {
  const source = sourceOf(tables, query);
  return (
    source !== undefined &&
    tables.sourceRanges.get({ bits: ID_BITS + ADDRESS_BITS, servicePortId, address: source }) !==
      undefined
  );
}

function sourceOf(tables: LookupTables, { from, to }: Query): IpAddress | undefined {
  if (isAddress(from)) return from;
  if (from === 'external') return undefined;
  const node = tables.nodes.get(0);
  const family = familyOf(to.address);
  return node && [node.ipv4, node.ipv6].find((address) => familyOf(address) === family);
}

function slotsOf(tables: LookupTables, { first, count }: SlotRun): Backend[] {
  return Array.from({ length: count }, (_, i) => tables.slots.get(first + i)).filter(
    (slot) => slot !== undefined,
  );
}

function nothing(verdict: Verdict): KernelDecision {
  return {
    verdict,
    service: undefined,
    kind: undefined,
    affinityTimeoutSeconds: 0,
    balancing: 'random',
    slots: 0,
    backends: [],
  };
}

function difference(
  what: string,
  found: string | number,
  expected: string | number,
): readonly string[] {
  return found === expected ? [] : [`its ${what} is ${found}, not ${expected}`];
}

/** Where the backends are the same: else it is one of theirs. */
function balancingDifferences({ balancing, backends }: Answer, kernel: KernelDecision): string[] {
  if (!balancing || backendDifferences(kernel.backends, backends).length) return [];
  return [
    ...difference('balancing', kernel.balancing, balancing.type),
    ...difference('number of slots', kernel.slots, balancing.slots),
  ];
}

function backendDifferences(found: readonly Backend[], expected: readonly Backend[]): string[] {
  const [has, wants] = [found, expected].map(
    (backends) => new Set(backends.map(({ address, port }) => formatEndpoint(address, port))),
  ) as [Set<string>, Set<string>];
  return [
    ...few([...wants.difference(has)].map((backend) => `it lacks the backend ${backend}`)),
    ...few([...has.difference(wants)].map((backend) => `it has the backend ${backend} too`)),
  ];
}

function few(lines: readonly string[]): string[] {
  const more = lines.length - SHOWN_DIFFERENCES;
  return more > 0
    ? [...lines.slice(0, SHOWN_DIFFERENCES), `and ${more} more like that`]
    : [...lines];
}
