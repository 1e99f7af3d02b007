// SPDX-License-Identifier: Apache-2.0
// The flow table as it is between two packets, and what the test does to it: time passes, halves are lost.

import { protocolName } from '../../../agent/model/protocol.ts';
import { FlowFlags, type FlowKey, type FlowValue } from '../../../agent/sys/layout.gen.ts';
import { openPacketTables, type PacketTables } from '../../../agent/sys/packet-tables.ts';
import type { Pins } from '../../../agent/sys/pins.ts';
import { endText } from '../../prog/places.ts';
import { reverse, type Tuple, tupleKey } from './wire.ts';

const NS_PER_SECOND = 1_000_000_000n;

export interface Entry {
  readonly key: FlowKey;
  readonly value: FlowValue;
}

/** By {@link tupleKey} of what meets them. */
export type Snapshot = ReadonlyMap<string, Entry>;

export class FlowTable {
  readonly #tables: PacketTables;

  constructor(pins: Pins) {
    this.#tables = openPacketTables(pins);
  }

  read(): Snapshot {
    const entries = this.#tables.flows.entries();
    return new Map(entries.map(([key, value]) => [tupleKey(key), { key, value }]));
  }

  /** Makes it as if nothing had come for so long. */
  age(seconds: number): void {
    const ns = BigInt(seconds) * NS_PER_SECOND;
    const { flows, affinities } = this.#tables;
    flows.put(
      flows.entries().map(([key, value]) => {
        const { lastUsedNs, checkedNs } = value;
        return [key, { ...value, lastUsedNs: lastUsedNs - ns, checkedNs: checkedNs - ns }];
      }),
    );
    affinities.put(
      affinities
        .entries()
        .map(([key, value]) => [key, { ...value, lastUsedNs: value.lastUsedNs - ns }]),
    );
  }

  forget({ key }: Entry): void {
    this.#tables.flows.delete([key]);
  }

  close(): void {
    this.#tables.close();
  }
}

export function isForwarded({ value }: Entry): boolean {
  return (value.flags & FlowFlags.FORWARDED) !== 0;
}

/** What meets the other half. */
export function otherOf({ key, value }: Entry): Tuple {
  return { protocol: key.protocol, source: value.destination, destination: value.source };
}

/** What meets the entries of the second half of its translation, in one direction, if it ever had any. */
export function middleOf({ key, value }: Entry): Tuple | undefined {
  if (!(value.flags & FlowFlags.IN_HALVES)) return undefined;
  const { protocol } = key;
  return value.flags & FlowFlags.REQUEST
    ? {
        protocol,
        source: { address: key.source.address, port: value.source.port },
        destination: value.destination,
      }
    : {
        protocol,
        source: { address: value.destination.address, port: key.destination.port },
        destination: key.source,
      };
}

/** Keys of entries that are not the same in both. */
export function changedKeys(before: Snapshot, after: Snapshot): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => valueText(before.get(key)) !== valueText(after.get(key)));
}

/** Whether both halves of a translation are there and belong together. */
export function hasBothHalves(table: Snapshot, request: Tuple, translated: Tuple): boolean {
  const there = table.get(tupleKey(request));
  const back = table.get(tupleKey(reverse(translated)));
  return (
    !!there &&
    !!back &&
    tupleKey(otherOf(there)) === tupleKey(back.key) &&
    tupleKey(otherOf(back)) === tupleKey(there.key)
  );
}

function valueText(entry: Entry | undefined): string {
  return entry
    ? JSON.stringify(entry.value, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
    : '';
}

const FLAGS = Object.entries(FlowFlags).sort(([, a], [, b]) => a - b);

export function entryText({ key, value }: Entry): string {
  const flags = FLAGS.filter(([, bit]) => value.flags & bit).map(([name]) => name.toLowerCase());
  const meets = `${endText(key.source)} > ${endText(key.destination)}`;
  const becomes = `${endText(value.source)} > ${endText(value.destination)}`;
  const protocol = protocolName(key.protocol) ?? key.protocol;
  return [`${protocol} ${meets} = ${becomes}`, ...flags].join(' ');
}
