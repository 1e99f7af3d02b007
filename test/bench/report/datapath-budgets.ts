// SPDX-License-Identifier: Apache-2.0
// Budgets of what connections pay: ratios to direct, of medians. Pure; budgets.ts has the limits.

import type { Family, LatencyKind, Path } from '../result.ts';
import { type Budget, NONE } from './budget-row.ts';
import {
  FAMILY_NAMES,
  findLatency,
  greatestSize,
  KIND_NAMES,
  type Measured,
  noiseOf,
  ofArm,
  PATH_NAMES,
} from './lookup.ts';
import { number, services as servicesText, withUnit } from './units.ts';

/** Without `services` at the run's greatest number. A limit of 1 may be passed by as much as A/A tells. */
export function latencyBudget(
  result: Measured,
  wanted: { kind: LatencyKind; path: Path; family: Family; services?: number; limit: number },
): Budget {
  const { kind, path, family, limit } = wanted;
  const latency = findLatency(result, wanted);
  const size = wanted.services ?? latency?.services ?? greatestSize(result);
  const direct = ofArm(latency, 'direct');
  return {
    what: `${PATH_NAMES[path]}, ${KIND_NAMES[kind]}, ${FAMILY_NAMES[family]}, ${servicesText(size)}`,
    rule: limit === 1 ? 'withinNoise' : 'atMost',
    limit,
    unit: 'ratio',
    of: (arm) => ofArm(latency, arm)?.ratio.ofMedians,
    detail: (arm) => {
      const taken = ofArm(latency, arm);
      if (taken === undefined) return undefined;
      const { min, max } = taken.ratio;
      const rounds = `rounds ${number(min, 2)}–${number(max, 2)}`;
      const median = withUnit(taken.us.p50, 'us');
      return arm === 'signalbox' ? `${median}; ${rounds}` : median;
    },
    direct: direct ? withUnit(direct.us.p50, 'us') : NONE,
    noise: latency && noiseOf(latency),
    ...(wanted.services !== undefined &&
      !result.options.services.includes(wanted.services) && {
        missing: `not run: --services ${wanted.services}`,
      }),
  };
}

/** What leaves for another node without crossing the stack has to cost less than what crosses it. */
export function streamBudget(result: Measured, path: Path, family: Family): Budget {
  const bulk = result.streams.find(
    (each) => each.kind === 'stream' && each.path === path && each.family === family,
  );
  const direct = ofArm(bulk, 'direct');
  const again = ofArm(bulk, 'directAgain');
  return {
    what: `${PATH_NAMES[path]}, CPU per GB of a TCP stream, ${FAMILY_NAMES[family]}`,
    rule: 'below',
    limit: 1,
    unit: 'ratio',
    limitText: 'direct',
    of: (arm) => ofArm(bulk, arm)?.cpuRatio.ofMedians,
    detail: (arm) => {
      const taken = ofArm(bulk, arm);
      return taken && withUnit(taken.cpuSeconds.p50, 's');
    },
    direct: direct ? withUnit(direct.cpuSeconds.p50, 's') : NONE,
    noise: again && Math.abs(again.cpuRatio.ofMedians - 1),
  };
}
