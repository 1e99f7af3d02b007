// SPDX-License-Identifier: Apache-2.0
// What the tables say to the programs, as text: the rows that tests compare, and what must hold between
// the tables at any time and at rest. Reads any KernelTables, the double and the real ones alike.

import { formatEndpoint } from '../../agent/model/address.ts';
import { protocolName } from '../../agent/model/protocol.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import type { FrontendKey, IpPort, ServicePortName } from '../../agent/sys/layout.gen.ts';

const UDP = 17;

/** Of KernelTables, what reads. */
export interface View {
  readonly frontends: Pick<KernelTables['frontends'], 'entries'>;
  readonly members: Pick<KernelTables['members'], 'entries'>;
  readonly servicePorts: Pick<KernelTables['servicePorts'], 'entries'>;
  readonly slots: Pick<KernelTables['slots'], 'read'>;
}

/** `TCP 10.96.0.1:80` */
export type DialledText = string;

/** The tables as one look finds them, for several questions: the real ones take time to read. */
export function lookAt({ frontends, members, servicePorts, slots }: KernelTables): View {
  const [frontendEntries, memberEntries, nameEntries] = [
    frontends.entries(),
    members.entries(),
    servicePorts.entries(),
  ];
  const slotEntries = slots.read();
  return {
    frontends: { entries: () => frontendEntries },
    members: { entries: () => memberEntries },
    servicePorts: { entries: () => nameEntries },
    slots: { read: () => slotEntries },
  };
}

/**
 * Every frontend as a look-up finds it, by what is dialled:
 * `default/quote:http TCP 10.96.0.1:80 -> 10.244.1.2:8080 10.244.2.3:8080`.
 */
export function frontendRows(tables: View): Map<DialledText, string> {
  const names = new Map(tables.servicePorts.entries());
  const slots = tables.slots.read();
  const rows = tables.frontends.entries().map(([key, value]) => {
    const { first, count } = value.backends;
    const backends = Array.from({ length: count }, (_, i) => backendText(slots[first + i]));
    const name = names.get(value.servicePortId);
    const dialled = dialledText(key);
    const target = backends.length ? backends.join(' ') : 'refused';
    return [dialled, `${name ? nameText(name) : '?'} ${dialled} -> ${target}`] as const;
  });
  return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
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
    servicePorts: tables.servicePorts.entries().length,
  };
}

export const NO_ENTRIES = { frontends: 0, members: 0, servicePorts: 0 };

/**
 * What must hold between any two writes: names exist, runs lie within the slots and share none with
 * another run, backends of UDP service ports are members.
 *
 * @returns what does not hold, one line each.
 */
export function brokenLookups(tables: View): string[] {
  const names = new Map(tables.servicePorts.entries());
  const slots = tables.slots.read();
  const members = memberTexts(tables);
  const userOf = new Map<number, string>();
  return tables.frontends.entries().flatMap(([key, { servicePortId, backends: run }]) => {
    const dialled = dialledText(key);
    const problems: string[] = [];
    if (!names.has(servicePortId)) problems.push(`${dialled}: id ${servicePortId} has no name`);
    for (let i = run.first; i < run.first + run.count; i++) {
      const user = `${run.first} ${run.count} of ${servicePortId}`;
      const other = userOf.get(i) ?? user;
      userOf.set(i, user);
      if (other !== user) problems.push(`${dialled}: slot ${i} is used by ${other} too`);
      if (i >= slots.length) problems.push(`${dialled}: slot ${i} lies behind the end`);
      const member = `${servicePortId} ${backendText(slots[i])}`;
      if (key.protocol === UDP && !members.has(member)) {
        problems.push(`${dialled}: ${member} is no member`);
      }
    }
    return problems;
  });
}

/**
 * What must hold, besides, when nothing is pending: nothing is left over.
 *
 * @returns what does not hold, one line each.
 */
export function leftOvers(tables: View): string[] {
  const slots = tables.slots.read();
  const frontends = tables.frontends.entries();
  const used = new Set(frontends.map(([, { servicePortId }]) => servicePortId));
  const named = new Map<string, number>();
  const wanted = new Set(
    frontends
      .filter(([{ protocol }]) => protocol === UDP)
      .flatMap(([, { servicePortId, backends: run }]) =>
        slots
          .slice(run.first, run.first + run.count)
          .map((backend) => `${servicePortId} ${backendText(backend)}`),
      ),
  );
  const problems: string[] = [];
  for (const [id, name] of tables.servicePorts.entries()) {
    const text = `${nameText(name)}/${name.protocol}`;
    const other = named.get(text);
    named.set(text, id);
    if (!used.has(id)) problems.push(`no frontend uses id ${id}, ${text}`);
    if (other !== undefined) problems.push(`ids ${other} and ${id} are both ${text}`);
  }
  for (const member of memberTexts(tables)) {
    if (!wanted.has(member)) problems.push(`${member} is a member for nothing`);
  }
  return problems;
}

/** Distinct slots that published frontends name. */
export function slotsNeeded(tables: View): number {
  const used = new Set<number>();
  for (const [, { backends: run }] of tables.frontends.entries()) {
    for (let i = run.first; i < run.first + run.count; i++) used.add(i);
  }
  return used.size;
}

function memberTexts(tables: View): Set<string> {
  return new Set(
    tables.members
      .entries()
      .filter(([, { state }]) => state === 1)
      .map(([{ servicePortId, backend }]) => `${servicePortId} ${backendText(backend)}`),
  );
}

function dialledText({ address, port, protocol }: FrontendKey): DialledText {
  return `${protocolName(protocol) ?? protocol} ${formatEndpoint(address, port)}`;
}

function backendText(backend: IpPort | undefined): string {
  return backend ? formatEndpoint(backend.address, backend.port) : 'nothing';
}

function nameText({ namespaceName, serviceName, portName }: ServicePortName): string {
  return `${namespaceName}/${serviceName}:${portName}`;
}
