// SPDX-License-Identifier: Apache-2.0
// What a nodePort may cost, against the same traffic routed by the plain kernel. Pure.

import type { Bulk, Latencies, Ratio, Target } from './nodeport-traffic.ts';

export interface Budget extends Target {
  readonly what: string;
  /** The ratio to direct that is allowed: at most, or else below. */
  readonly limit: number;
  readonly isExclusive: boolean;
  readonly measured: Ratio;
  /** How far apart two direct measurements came out. */
  readonly noise: Ratio;
  readonly isMet: boolean;
}

const CONNECTION = 1.15;
const ROUND_TRIP = 1.05;
/** What goes on to another node leaves without crossing the stack, which direct traffic does. */
const REMOTE_CPU_PER_GB = 1;

export function budgets({
  connections,
  roundTrips,
  streams,
}: {
  readonly connections: readonly Latencies[];
  readonly roundTrips: readonly Latencies[];
  readonly streams: readonly Bulk[];
}): Budget[] {
  return [
    ...connections.map((each) =>
      budget('connection and round trip', each, each.ratios, CONNECTION, false),
    ),
    ...roundTrips.map((each) =>
      budget('established round trip', each, each.ratios, ROUND_TRIP, false),
    ),
    ...streams
      .filter(({ place }) => place === 'remote')
      .map((each) => budget('CPU per GB', each, each.cpuRatios, REMOTE_CPU_PER_GB, true)),
  ];
}

function budget(
  what: string,
  { family, place }: Target,
  { nodePort, directAgain }: { readonly nodePort: Ratio; readonly directAgain: Ratio },
  limit: number,
  isExclusive: boolean,
): Budget {
  const { ofMedians } = nodePort;
  const isMet = isExclusive ? ofMedians < limit : ofMedians <= limit;
  return { what, family, place, limit, isExclusive, measured: nodePort, noise: directAgain, isMet };
}
