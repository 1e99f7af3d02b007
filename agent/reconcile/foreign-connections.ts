// SPDX-License-Identifier: Apache-2.0
// Connections to our frontends that somebody else has translated, kube-proxy's rules before us: what conntrack holds of
// them is counted, what leads to UDP backends that are gone is told (semantics 1.15), and the ports that they use as
// masqueraded are kept from flows of ours. In pieces, so that whoever asks can rest between them.

import { familyOf, type IpFamily, isLoopback, unspecifiedAddress } from '../model/address.ts';
import { protocolName, protocolNumber } from '../model/protocol.ts';
import { NO_SERVICE_PORT } from '../plan/flow-life.ts';
import type { ConntrackEndpoint, ConntrackEntry } from '../sys/conntrack-messages.ts';
import {
  FlowFlags,
  type FlowKey,
  type FlowValue,
  type FrontendKey,
  FrontendScope,
  type FrontendValue,
  type MemberKey,
  type NodePortAddress,
} from '../sys/layout.gen.ts';

export interface ForeignTables {
  readonly frontends: { get(key: FrontendKey): FrontendValue | undefined };
  readonly members: { get(key: MemberKey): unknown };
  readonly nodePortAddresses: { get(key: NodePortAddress): unknown };
}

export interface ForeignConnections {
  /** By protocol; what has ended is not counted. */
  readonly counts: Readonly<Record<string, number>>;
  readonly total: number;
  /** Those of {@link counts}. */
  readonly families: ReadonlySet<IpFamily>;
  /** UDP, to backends that no longer serve. */
  readonly stale: readonly ConntrackEntry[];
  /** UDP, to backends that serve, by {@link pairText}. Only of those asked for. */
  readonly served: ReadonlySet<string>;
  /** Replies of TCP to an address and port that are not the client's own. */
  readonly masqueraded: readonly ConntrackEntry['reply'][];
}

export interface ForeignQuestion {
  /** Pairs to be told of when they lead to a backend that serves. */
  readonly pairs?: ReadonlySet<string>;
  /** Whether a port may become that of a flow of ours. */
  readonly isMasqueradePort?: (port: number) => boolean;
}

const [TCP, UDP] = [protocolNumber('TCP'), protocolNumber('UDP')];

/** What tells a client's connection from its others. */
export function pairText(client: ConntrackEndpoint, dialled: ConntrackEndpoint): string {
  return `${client.address} ${client.port} ${dialled.address} ${dialled.port}`;
}

/** Whether a Service of ours has that address for itself, other than by a nodePort. */
export function isAtAddress(
  { frontends }: Pick<ForeignTables, 'frontends'>,
  { address, port }: ConntrackEndpoint,
  protocol: number,
): boolean {
  return frontends.get({ address, port, protocol, scope: FrontendScope.AT_ADDRESS }) !== undefined;
}

/** Whether a Service of ours is dialled there, and which; as the programs see it. */
export function servicePortAt(
  { frontends, nodePortAddresses }: Omit<ForeignTables, 'members'>,
  { address, port }: ConntrackEndpoint,
  protocol: number,
): number | undefined {
  const own = frontends.get({ address, port, protocol, scope: FrontendScope.AT_ADDRESS });
  if (own) return own.servicePortId;
  const key = { address: unspecifiedAddress(familyOf(address)), port, protocol };
  const nodePort = frontends.get({ ...key, scope: FrontendScope.AT_NODE });
  const isNodes = nodePort && (isLoopback(address) || nodePortAddresses.get({ address }));
  return isNodes ? nodePort.servicePortId : undefined;
}

/** @param pieces entries whose destination is translated. @throws what `pieces` throws. */
export function* countForeign(
  pieces: Iterable<readonly ConntrackEntry[]>,
  tables: ForeignTables,
  { pairs = new Set(), isMasqueradePort = () => false }: ForeignQuestion = {},
): Generator<void, ForeignConnections> {
  const counts: Record<string, number> = {};
  const [stale, masqueraded]: [ConntrackEntry[], ConntrackEntry['reply'][]] = [[], []];
  const served = new Set<string>();
  const families = new Set<IpFamily>();
  let total = 0;
  for (const piece of pieces) {
    const serviceOf = rememberingServices(tables);
    for (const entry of piece) {
      const { original, reply, hasEnded } = entry;
      const servicePortId = hasEnded ? undefined : serviceOf(original);
      if (servicePortId === undefined) continue;
      const name = protocolName(original.protocol) ?? String(original.protocol);
      counts[name] = (counts[name] ?? 0) + 1;
      families.add(familyOf(original.destination.address));
      total++;
      if (original.protocol === UDP) {
        const pair = pairText(original.source, original.destination);
        if (!tables.members.get({ servicePortId, backend: reply.source })) stale.push(entry);
        else if (pairs.has(pair)) served.add(pair);
      } else if (original.protocol === TCP && isMasqueraded(entry)) {
        if (isMasqueradePort(reply.destination.port)) masqueraded.push(reply);
      }
    }
    yield;
  }
  return { counts, total, families, stale, served, masqueraded };
}

/**
 * A flow that leaves a connection's packets as they are: what the backend answers, to an address of this node, finds it,
 * and no flow of ours gets the same port there (BPF_NOEXIST in bpf/masquerade.bpf.h). It lives as long as any flow.
 */
export function placeholderFlow(
  { protocol, source, destination }: ConntrackEntry['reply'],
  nowNs: bigint,
): [FlowKey, FlowValue] {
  return [
    { protocol, source, destination },
    {
      lastUsedNs: nowNs,
      checkedNs: nowNs,
      source,
      destination,
      servicePortId: NO_SERVICE_PORT,
      flags: (FlowFlags.ANSWERED | FlowFlags.CONFIRMED) as FlowFlags,
    },
  ];
}

export function isPlaceholder({ source, destination }: FlowKey, value: FlowValue): boolean {
  return isSame(source, value.source) && isSame(destination, value.destination);
}

function isMasqueraded({ original, reply }: ConntrackEntry): boolean {
  return !isSame(original.source, reply.destination);
}

function isSame(a: ConntrackEndpoint, b: ConntrackEndpoint): boolean {
  return a.port === b.port && a.address === b.address;
}

/** Many connections lead to few frontends. */
function rememberingServices(
  tables: ForeignTables,
): (dialled: ConntrackEntry['original']) => number | undefined {
  const known = new Map<string, number | undefined>();
  return ({ destination, protocol }) => {
    const text = `${protocol} ${destination.address} ${destination.port}`;
    if (!known.has(text)) known.set(text, servicePortAt(tables, destination, protocol));
    return known.get(text);
  };
}
