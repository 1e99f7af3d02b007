// SPDX-License-Identifier: Apache-2.0
// How long one exchange takes by each arm: measure-client.c in rounds, each a process of its own, in which all arms
// take turns. An arm with a proxy is there twice: by the Service, and past it.

import { percentiles, ratioOfRounds } from './ratios.ts';
import type { ArmLatency, ArmName, Family, Latency, LatencyKind, Path } from './result.ts';
import { distribution } from './statistics.ts';
import type { Traffic } from './traffic.ts';
import { pastOf, trafficArms } from './traffic-arms.ts';

export interface LatencyOptions {
  readonly kind: LatencyKind;
  readonly path: Path;
  /** Default ipv4, which is what cluster IPs are of here. */
  readonly family?: Family;
  readonly rounds: number;
  /** Of each arm in each round. */
  readonly exchanges: number;
}

/** Short: what the machine does otherwise is to meet all arms alike. Long enough for 40 that warm up before it. */
const BLOCK = 200;

export async function measureLatencies(
  traffic: Traffic,
  { kind, path, family = 'ipv4', rounds, exchanges }: LatencyOptions,
  note: (text: string) => void,
): Promise<Latency> {
  const arms = trafficArms(traffic.bench, { kind, path, family });
  const described = await traffic.describe(arms);
  const roundsOf = new Map<string, number[][]>(arms.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    note(`round ${round + 1} of ${rounds}`);
    const block = Math.min(BLOCK, exchanges);
    const output = await traffic.run(described, { kind, count: exchanges, block, seed: round + 1 });
    for (const [name, { samples }] of output) {
      roundsOf.get(name)?.push(samples.map((ns) => Number(ns) / 1000));
    }
  }
  await traffic.rest();
  const names = traffic.bench.stations.map(({ arm }) => arm);
  const services = traffic.bench.services.count;
  return { kind, path, family, services, arms: armLatencies(names, roundsOf) };
}

/** @param roundsOf microseconds of each round, by name of the traffic's arm; `direct` among them. Pure. */
export function armLatencies(
  names: readonly ArmName[],
  roundsOf: ReadonlyMap<string, readonly (readonly number[])[]>,
): ArmLatency[] {
  const direct = roundsOf.get('direct') ?? [];
  return names.map((arm): ArmLatency => {
    const rounds = roundsOf.get(arm) ?? [];
    const past = roundsOf.get(pastOf(arm));
    return {
      arm,
      us: distribution(rounds.flat()),
      percentilesUs: percentiles(rounds.flat()),
      ratio: ratioOfRounds(rounds, direct),
      ...(past && { past: { us: distribution(past.flat()), ratio: ratioOfRounds(past, direct) } }),
    };
  });
}
