// SPDX-License-Identifier: Apache-2.0
// The tables that the programs write by themselves, for whoever looks at them or sweeps them: connections on the
// packet path, clients that stay with a backend, and what became of packets.

import { possibleCpus } from './cpus.ts';
import { KernelMap } from './kernel-map.ts';
import {
  type AffinityKey,
  type AffinityValue,
  type FlowKey,
  type FlowValue,
  MAPS,
  PacketOutcome,
} from './layout.gen.ts';
import { RawMap } from './libbpf/map.ts';
import { perCpu } from './per-cpu.ts';
import type { PinnedLayout, Pins } from './pins.ts';

/** Every outcome by its number, in the words of metrics: `dropped_no_route`. */
export const OUTCOMES: readonly string[] = Object.entries(PacketOutcome)
  .filter(([name]) => name !== 'OUTCOMES')
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name.toLowerCase());

export interface PacketTables {
  readonly flows: KernelMap<FlowKey, FlowValue>;
  readonly affinities: KernelMap<AffinityKey, AffinityValue>;
  /** How often each of {@link OUTCOMES} was counted, by all CPUs, since the tables were made. */
  readCounts(): Map<string, number>;
  close(): void;
}

/** Opens the pinned tables. @throws KernelError (ENOENT) when this build's tables are not pinned. */
export function openPacketTables(pins: Pins): PacketTables {
  const opened: RawMap[] = [];
  const open = (spec: PinnedLayout): RawMap => {
    const map = RawMap.openPin(pins.map(spec));
    opened.push(map);
    return map;
  };
  const close = () => {
    for (const map of opened) map.close();
  };
  try {
    const { key, value } = MAPS.packetCounts;
    const counts = new KernelMap(open(MAPS.packetCounts), {
      key,
      value: perCpu(value, possibleCpus()),
    });
    return {
      flows: new KernelMap(open(MAPS.flows), MAPS.flows),
      affinities: new KernelMap(open(MAPS.affinities), MAPS.affinities),
      readCounts: () => {
        const entries = counts.entries().map(([outcome, ofCpus]): [string, number] => {
          return [OUTCOMES[outcome] ?? `outcome_${outcome}`, sum(ofCpus.map((c) => c.packets))];
        });
        return new Map(entries);
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function sum(counts: readonly bigint[]): number {
  return Number(counts.reduce((total, count) => total + count, 0n));
}
