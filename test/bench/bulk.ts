// SPDX-License-Identifier: Apache-2.0
// What much data costs by each arm: CPU and time of a TCP stream, or of small datagrams one way. All arms take turns
// in one process, block by block; each block is a value. One CPU does everything, sending, what is between and
// receiving: its time is what was worked, and so many bytes a second are those that one CPU moves from end to end.

import { parseBulkSample } from './client-output.ts';
import type { BulkKind } from './measure-servers.ts';
import { ratioOfRounds } from './ratios.ts';
import type { ArmName, Bulk, Family, Path } from './result.ts';
import { distribution } from './statistics.ts';
import type { Traffic } from './traffic.ts';
import { trafficArms } from './traffic-arms.ts';

export interface BulkOptions {
  readonly kind: BulkKind;
  readonly path: Path;
  /** Default ipv4, which is what cluster IPs are of here. */
  readonly family?: Family;
  readonly rounds: number;
  /** Megabytes or datagrams of a block. */
  readonly block?: number;
}

/** Of each arm in each round: many short ones, as what the machine does otherwise is to meet all arms alike. */
const BLOCKS = 10;
const DEFAULT_BLOCKS: Readonly<Record<BulkKind, number>> = { stream: 32, datagrams: 3_200 };
/** How many blocks' units are a gigabyte, or a million datagrams. */
const UNITS: Readonly<Record<BulkKind, number>> = { stream: 1_000, datagrams: 1_000_000 };

/** Of one block, for a gigabyte or a million datagrams. */
interface Cost {
  readonly cpuSeconds: number;
  readonly seconds: number;
}

export async function measureBulk(
  traffic: Traffic,
  { kind, path, family = 'ipv4', rounds, block = DEFAULT_BLOCKS[kind] }: BulkOptions,
  note: (text: string) => void,
): Promise<Bulk> {
  const arms = trafficArms(traffic.bench, { kind, path, family }).filter(
    ({ name, arm }) => name === arm,
  );
  const described = await traffic.describe(arms);
  const roundsOf = new Map<ArmName, Cost[][]>(arms.map(({ arm }) => [arm, []]));
  for (let round = 0; round < rounds; round++) {
    note(`round ${round + 1} of ${rounds}`);
    const run = { kind, count: BLOCKS * block, block, seed: round + 1 };
    const output = await traffic.run(described, run);
    for (const { name, arm } of arms) {
      const samples = output.get(name)?.samples ?? [];
      roundsOf.get(arm)?.push(samples.map((sample) => costOf(sample, UNITS[kind] / block)));
    }
  }
  await traffic.rest();
  return { kind, path, family, arms: armCosts(roundsOf) };
}

/** @param roundsOf `direct` among them. Pure. */
export function armCosts(
  roundsOf: ReadonlyMap<ArmName, readonly (readonly Cost[])[]>,
): Bulk['arms'] {
  const valuesOf = (arm: ArmName, value: keyof Cost) =>
    (roundsOf.get(arm) ?? []).map((round) => round.map((cost) => cost[value]));
  return [...roundsOf.keys()].map((arm) => {
    const cpu = valuesOf(arm, 'cpuSeconds');
    const time = valuesOf(arm, 'seconds');
    return {
      arm,
      cpuSeconds: distribution(cpu.flat()),
      seconds: distribution(time.flat()),
      cpuRatio: ratioOfRounds(cpu, valuesOf('direct', 'cpuSeconds')),
      timeRatio: ratioOfRounds(time, valuesOf('direct', 'seconds')),
    };
  });
}

/** @param factor from a block to the unit. */
function costOf(sample: string, factor: number): Cost {
  const { cpuNs, ns } = parseBulkSample(sample);
  return { cpuSeconds: (cpuNs * factor) / 1e9, seconds: (ns * factor) / 1e9 };
}
