// SPDX-License-Identifier: Apache-2.0
// What the tables say to the programs, as text: the rows that tests compare, and what must hold between
// the tables at any time and at rest. Reads any KernelTables, the double and the real ones alike.

import { familyOf, formatEndpoint, unspecifiedAddress } from '../../agent/model/address.ts';
import { protocolName } from '../../agent/model/protocol.ts';
import { frontendKindOf, frontendOf, sourceRangeOf } from '../../agent/reconcile/entries.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import {
  FrontendFlags,
  type FrontendKey,
  FrontendKind,
  FrontendScope,
  type FrontendValue,
  type IpPort,
  MemberFlags,
  type ServicePortName,
  type SlotRun,
} from '../../agent/sys/layout.gen.ts';

/** Of KernelTables, what reads. */
export interface View {
  readonly frontends: Pick<KernelTables['frontends'], 'entries'>;
  readonly members: Pick<KernelTables['members'], 'entries'>;
  readonly sourceRanges: Pick<KernelTables['sourceRanges'], 'entries'>;
  readonly servicePorts: Pick<KernelTables['servicePorts'], 'entries'>;
  readonly slots: Pick<KernelTables['slots'], 'read'>;
}

const UNDIALLED: readonly number[] = [FrontendScope.AT_OTHER_PORTS, FrontendScope.AT_ECHO];

/** `TCP 10.96.0.1:80` */
export type DialledText = string;

/** The tables as one look finds them, for several questions: the real ones take time to read. */
export function lookAt(tables: KernelTables): View {
  const read = <T>(table: { entries(): T }) => {
    const entries = table.entries();
    return { entries: () => entries };
  };
  const slotEntries = tables.slots.read();
  return {
    frontends: read(tables.frontends),
    members: read(tables.members),
    sourceRanges: read(tables.sourceRanges),
    servicePorts: read(tables.servicePorts),
    slots: { read: () => slotEntries },
  };
}

/**
 * Every frontend as a look-up finds it, by what is dialled:
 * `default/quote:http TCP 10.96.0.1:80 -> 10.244.1.2:8080 10.244.2.3:8080`. What is not so for a plain
 * clusterIP stands beside it:
 * `default/quote:http TCP 192.0.2.7:80 loadBalancer -> 10.244.1.2:8080, outside dropped (local); affinity 10800; only 10.0.0.0/8`.
 * Behind backends of a Maglev table stands how many places each has: `10.244.1.2:8080 x126 10.244.2.3:8080 x125; maglev`.
 * What a clusterIP does not serve, and answers to a ping, are left out: {@link leftOvers} sees to that.
 */
export function frontendRows(tables: View): Map<DialledText, string> {
  const names = new Map(tables.servicePorts.entries());
  const slots = tables.slots.read();
  const ranges = Map.groupBy(tables.sourceRanges.entries(), ([key]) => key.servicePortId);
  const target = ({ first, count }: SlotRun, drops: number, isLocal: number) => {
    const text = runText(slots.slice(first, first + count)) || (drops ? 'dropped' : 'refused');
    return isLocal ? `${text} (local)` : text;
  };
  const rows = tables.frontends
    .entries()
    .filter(([{ scope }]) => !UNDIALLED.includes(scope))
    .map(([key, value]) => {
      const { flags } = value;
      const inside = target(
        value.inside,
        flags & FrontendFlags.DROPS_INSIDE,
        flags & FrontendFlags.LOCAL_INSIDE,
      );
      const outside = target(
        value.outside,
        flags & FrontendFlags.DROPS_OUTSIDE,
        flags & FrontendFlags.LOCAL_OUTSIDE,
      );
      const name = names.get(value.servicePortId);
      const dialled = dialledText(key);
      const allowed = (ranges.get(value.servicePortId) ?? []).map(([range]) =>
        sourceRangeOf(range),
      );
      const row = [
        `${name ? nameText(name) : '?'} ${dialled}${kindText(value)} -> ${inside}`,
        outside === inside ? '' : `, outside ${outside}`,
        value.affinityTimeoutSeconds ? `; affinity ${value.affinityTimeoutSeconds}` : '',
        flags & FrontendFlags.MAGLEV ? '; maglev' : '',
        flags & FrontendFlags.RESTRICTED ? `; only ${allowed.sort().join(' ')}` : '',
      ];
      return [dialled, row.join('')] as const;
    });
  return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Each backend; behind it how many of the slots it has, when it has several. */
function runText(slots: readonly IpPort[]): string {
  const counts = Map.groupBy(slots.map(backendText), (text) => text);
  if (counts.size === slots.length) return [...counts.keys()].join(' ');
  const texts = [...counts].map(([text, { length }]) => `${text} x${length}`);
  return texts.sort().join(' ');
}

function kindText({ kind }: FrontendValue): string {
  return kind === FrontendKind.CLUSTER_IP ? '' : ` ${frontendKindOf(kind) ?? kind}`;
}

/** The rows alone, in the order of the alphabet. */
export function rowsOf(tables: View): string[] {
  return [...frontendRows(tables).values()].sort();
}

/** How many entries each table has; all zero when everything is gone. */
export function entryCounts(tables: View): Record<string, number> {
  return {
    frontends: tables.frontends.entries().length,
    members: tables.members.entries().length,
    sourceRanges: tables.sourceRanges.entries().length,
    servicePorts: tables.servicePorts.entries().length,
  };
}

export const NO_ENTRIES = { frontends: 0, members: 0, sourceRanges: 0, servicePorts: 0 };

/**
 * What must hold between any two writes: names exist, runs lie within the slots and share none with
 * another run, backends are members of their list, restricted frontends have ranges.
 *
 * @returns what does not hold, one line each.
 */
export function brokenLookups(tables: View): string[] {
  const names = new Map(tables.servicePorts.entries());
  const slots = tables.slots.read();
  const members = memberFlags(tables);
  const restricted = new Set(tables.sourceRanges.entries().map(([key]) => key.servicePortId));
  const userOf = new Map<number, string>();
  return tables.frontends.entries().flatMap(([key, value]) => {
    const { servicePortId, flags } = value;
    const dialled = dialledText(key);
    const problems: string[] = [];
    if (!names.has(servicePortId)) problems.push(`${dialled}: id ${servicePortId} has no name`);
    if (flags & FrontendFlags.RESTRICTED && !restricted.has(servicePortId)) {
      problems.push(`${dialled}: nobody is let in`);
    }
    const { scope, protocol } = key;
    const forgets = (flags & FrontendFlags.FORGETS) !== 0;
    const asks =
      value.affinityTimeoutSeconds > 0 || scope === FrontendScope.AT_NODE || protocol !== 6;
    if (forgets && asks) problems.push(`${dialled}: asks for members that are forgotten`);
    for (const [run, isLocal] of [
      [value.inside, flags & FrontendFlags.LOCAL_INSIDE],
      [value.outside, flags & FrontendFlags.LOCAL_OUTSIDE],
    ] as const) {
      for (let i = run.first; i < run.first + run.count; i++) {
        const user = `${run.first} ${run.count} of ${servicePortId}`;
        const other = userOf.get(i) ?? user;
        userOf.set(i, user);
        if (other !== user) problems.push(`${dialled}: slot ${i} is used by ${other} too`);
        if (i >= slots.length) problems.push(`${dialled}: slot ${i} lies behind the end`);
        const member = `${servicePortId} ${backendText(slots[i])}`;
        const list = isLocal ? MemberFlags.IN_LOCAL : MemberFlags.IN_CLUSTER;
        if (!forgets && !((members.get(member) ?? 0) & list)) {
          problems.push(`${dialled}: ${member} is no member of its list`);
        }
      }
    }
    return problems;
  });
}

/**
 * What must hold, besides, when nothing is pending: nothing is left over, and nothing is forgotten.
 *
 * @returns what does not hold, one line each.
 */
export function leftOvers(tables: View): string[] {
  const frontends = tables.frontends.entries();
  const used = new Set(frontends.map(([, { servicePortId }]) => servicePortId));
  const restricted = new Set(
    frontends
      .filter(([, { flags }]) => flags & FrontendFlags.RESTRICTED)
      .map(([, { servicePortId }]) => servicePortId),
  );
  const ids = new Map<string, number>();
  const problems: string[] = [];
  for (const [id, name] of tables.servicePorts.entries()) {
    const text = `${nameText(name)}/${name.protocol}`;
    const other = ids.get(text);
    ids.set(text, id);
    if (!used.has(id)) problems.push(`no frontend uses id ${id}, ${text}`);
    if (other !== undefined) problems.push(`ids ${other} and ${id} are both ${text}`);
  }
  for (const [{ servicePortId, backend }] of tables.members.entries()) {
    if (used.has(servicePortId)) continue;
    problems.push(`${servicePortId} ${backendText(backend)} is a member for nothing`);
  }
  for (const [key] of tables.sourceRanges.entries()) {
    if (restricted.has(key.servicePortId)) continue;
    problems.push(`${sourceRangeOf(key)} of ${key.servicePortId} restricts nothing`);
  }
  const clusterIPs = frontends.filter(([, { kind }]) => kind === FrontendKind.CLUSTER_IP);
  const served = new Set(clusterIPs.map(([{ address }]) => address));
  const closed = new Set(
    frontends.flatMap(([{ scope, address }]) =>
      scope === FrontendScope.AT_OTHER_PORTS ? [address] : [],
    ),
  );
  for (const address of served.difference(closed)) problems.push(`${address} leaves ports open`);
  const named = (kinds: readonly number[]) =>
    new Set(frontends.flatMap(([key, { kind }]) => (kinds.includes(kind) ? key.address : [])));
  const pinged = named([FrontendKind.ECHO]);
  const external = named([FrontendKind.EXTERNAL_IP, FrontendKind.LOAD_BALANCER]);
  for (const address of external.difference(pinged).difference(closed)) {
    problems.push(`${address} answers no ping`);
  }
  for (const address of pinged.difference(external).difference(served)) {
    problems.push(`${address} answers pings for nothing`);
  }
  return problems;
}

/** Distinct slots that published frontends name. */
export function slotsNeeded(tables: View): number {
  const used = new Set<number>();
  for (const [, { inside, outside }] of tables.frontends.entries()) {
    for (const { first, count } of [inside, outside]) {
      for (let i = first; i < first + count; i++) used.add(i);
    }
  }
  return used.size;
}

function memberFlags(tables: View): Map<string, number> {
  return new Map(
    tables.members
      .entries()
      .map(([{ servicePortId, backend }, { flags }]) => [
        `${servicePortId} ${backendText(backend)}`,
        flags,
      ]),
  );
}

function dialledText(key: FrontendKey): DialledText {
  const { address, port, protocol } = key;
  const name = protocolName(protocol) ?? protocol;
  const scope = frontendOf(key)?.scope;
  if (scope === 'node' && address === unspecifiedAddress(familyOf(address))) {
    return `${name} *:${port} ${familyOf(address)}`;
  }
  if (scope === 'node') return `${name} node ${formatEndpoint(address, port)}`;
  if (scope === 'otherPorts') return formatEndpoint(address, '*');
  if (scope === 'echo') return `echo ${address}`;
  return `${name} ${formatEndpoint(address, port)}`;
}

function backendText(backend: IpPort | undefined): string {
  return backend ? formatEndpoint(backend.address, backend.port) : 'nothing';
}

function nameText({ namespaceName, serviceName, portName }: ServicePortName): string {
  return `${namespaceName}/${serviceName}:${portName}`;
}
