// SPDX-License-Identifier: Apache-2.0
// A result as a flat list of figures, each with what it is, whose it is, and how much of it may be chance: what two
// arms and two runs are compared by. Of every figure less is better. Pure.

import type { ArmLatency, ArmName, Latency, Ratio, Restart, Result } from '../result.ts';
import type { Distribution } from '../statistics.ts';
import {
  FAMILY_NAMES,
  KIND_NAMES,
  type Measured,
  noiseAt,
  noiseOf,
  ofArm,
  PATH_NAMES,
  ratioAt,
} from './lookup.ts';
import { services as servicesText, type Unit } from './units.ts';

export interface Figure {
  /** The same of every arm and in every run. */
  readonly what: string;
  readonly arm: ArmName;
  readonly value: number;
  readonly unit: Unit;
  /** Of the rounds of the run, or of chance in a median of so many. */
  readonly rounds?: { readonly min: number; readonly max: number } | undefined;
  /** How far apart two direct measurements of the same came out, as a fraction. */
  readonly noise?: number | undefined;
  /** Differences up to here cannot be seen, in `unit`. */
  readonly resolution?: number;
  /** Counted: there is no chance in it. */
  readonly isExact?: true;
}

/** Of one CPU: ticks of a hundredth of a second, over seconds. */
const IDLE_RESOLUTION = 0.1;

/** Of a median whose values spread as those of a normal distribution: its standard error, in spreads up to p90. */
const MEDIAN_ERROR = 1.2533 / 1.2816;

export function figures(result: Measured): Figure[] {
  return [
    ...result.latencies.flatMap(latencyFigures),
    ...streamFigures(result),
    ...startFigures(result),
    ...changeFigures(result),
    ...restartFigures(result),
    ...costFigures(result),
    ...programFigures(result),
  ];
}

/** Of direct itself microseconds, which say how alike two machines are; of every other arm ratios. */
function latencyFigures(latency: Latency): Figure[] {
  const { kind, path, family, services } = latency;
  const what = `${PATH_NAMES[path]}, ${KIND_NAMES[kind]}, ${FAMILY_NAMES[family]}, ${servicesText(services)}`;
  const noise = noiseOf(latency);
  return latency.arms.flatMap((taken): Figure[] => {
    const { arm } = taken;
    if (arm === 'direct') {
      return [{ what: `${what}, median`, arm, value: taken.us.p50, unit: 'us', noise }];
    }
    return [
      ratioFigure(`${what}, median`, arm, taken.ratio, noise),
      ...(['p90', 'p99'] as const).flatMap((percentile): Figure[] => {
        const value = ratioAt(latency, taken, percentile);
        if (value === undefined) return [];
        const unit = 'ratio';
        return [
          { what: `${what}, ${percentile}`, arm, value, unit, noise: noiseAt(latency, percentile) },
        ];
      }),
      ...pastFigures(what, taken, latency),
    ];
  });
}

function pastFigures(what: string, { arm, past }: ArmLatency, latency: Latency): Figure[] {
  if (past === undefined) return [];
  const again = ofArm(latency, 'directAgain')?.past?.ratio ?? ofArm(latency, 'directAgain')?.ratio;
  const noise = again && Math.abs(again.ofMedians - 1);
  return [ratioFigure(`without a Service: ${what}, median`, arm, past.ratio, noise)];
}

function ratioFigure(what: string, arm: ArmName, ratio: Ratio, noise?: number): Figure {
  return { what, arm, value: ratio.ofMedians, unit: 'ratio', rounds: ratio, noise };
}

function streamFigures({ streams }: Measured): Figure[] {
  return streams.flatMap((bulk) => {
    const unitName = bulk.kind === 'stream' ? 'GB of a TCP stream' : 'million small datagrams';
    const where = `${PATH_NAMES[bulk.path]}, ${FAMILY_NAMES[bulk.family]}`;
    const again = ofArm(bulk, 'directAgain');
    return bulk.arms.flatMap((taken): Figure[] =>
      (['cpu', 'time'] as const).map((kind) => {
        const what = `${where}, ${kind === 'cpu' ? 'CPU' : 'time'} per ${unitName}`;
        const ratioName = kind === 'cpu' ? 'cpuRatio' : 'timeRatio';
        const noise = again && Math.abs(again[ratioName].ofMedians - 1);
        const spent = kind === 'cpu' ? taken.cpuSeconds : taken.seconds;
        return taken.arm === 'direct'
          ? { what, arm: taken.arm, value: spent.p50, unit: 's', rounds: spent, noise }
          : ratioFigure(what, taken.arm, taken[ratioName], noise);
      }),
    );
  });
}

function startFigures({ starts }: Measured): Figure[] {
  return starts.flatMap(({ proxy: arm, kind, services, seconds, cpuSeconds }): Figure[] => {
    const what = `${kind} start, ${servicesText(services)}`;
    return [
      { what: `${what}, time`, arm, value: seconds.p50, unit: 's', rounds: seconds },
      { what: `${what}, CPU`, arm, value: cpuSeconds.p50, unit: 's', rounds: cpuSeconds },
    ];
  });
}

function changeFigures({ changes }: Measured): Figure[] {
  return changes.flatMap((change): Figure[] => {
    const { proxy: arm, perSecond, services, landedMs, triedEveryMs } = change;
    const rate = perSecond === 0 ? 'one change' : `under ${perSecond} changes a second`;
    const what = `${rate}, ${servicesText(services)}`;
    const landed = { arm, unit: 'ms', resolution: triedEveryMs } as const;
    return [
      { ...landed, what: `${what}, p50`, value: landedMs.p50, rounds: chanceOfMedian(landedMs) },
      {
        ...landed,
        what: `${what}, p99`,
        value: landedMs.p99,
        rounds: { min: landedMs.p90, max: landedMs.max },
      },
      { what: `${what}, CPU each`, arm, value: change.cpuMsPerChange, unit: 'ms' },
      counted(`${what}, connections that went back`, arm, change.wentBack),
      counted(`${what}, not landed at the end`, arm, change.pending),
    ];
  });
}

/** Where the median would be if the same were done again, nineteen times of twenty. */
function chanceOfMedian({ p50, p90, count }: Distribution): { min: number; max: number } {
  const error = (2 * MEDIAN_ERROR * (p90 - p50)) / Math.sqrt(count);
  return { min: p50 - error, max: p50 + error };
}

/** Of several restarts alike: all that failed, and the slowest. */
function restartFigures({ restarts }: Measured): Figure[] {
  const alike = Map.groupBy(restarts, ({ proxy, services }) => `${proxy} ${services}`);
  return [...alike.values()].flatMap((group): Figure[] => {
    const [{ proxy: arm, services }] = group as [Restart];
    const what = `kill -9 and restart, ${servicesText(services)}`;
    const failed = group.reduce((sum, restart) => sum + restart.failed, 0);
    const value = Math.max(...group.map(({ pickedUpMs }) => pickedUpMs));
    return [
      counted(`${what}, exchanges that failed`, arm, failed),
      { what: `${what}, until changes are picked up`, arm, value, unit: 'ms' },
    ];
  });
}

function costFigures({ costs }: Measured): Figure[] {
  return costs.flatMap((cost): Figure[] => {
    const { proxy: arm } = cost;
    const of = (what: string, mib: number | undefined): Figure[] =>
      mib === undefined
        ? []
        : [
            {
              what: `${what}, ${servicesText(cost.services)}`,
              arm,
              value: (mib * 2 ** 20) / 1e6,
              unit: 'MB',
            },
          ];
    return [
      ...of('memory, RSS', cost.rssMiB),
      ...of('memory, RSS at its peak', cost.peakRssMiB),
      ...of('memory, not shared', cost.privateMiB),
      ...of('memory, heap in use', cost.heapMiB),
      ...of('memory in the kernel', cost.kernelMiB),
      ...of('memory of its maps', cost.mapsMiB),
      {
        what: `CPU while nothing changes, ${servicesText(cost.services)}`,
        arm,
        value: cost.idlePercent,
        unit: 'percent',
        resolution: IDLE_RESOLUTION,
      },
    ];
  });
}

function programFigures({ programs }: Pick<Result, 'programs'>): Figure[] {
  return programs.flatMap(({ name, traffic, instructions, runsPerUnit, nsPerRun }): Figure[] => {
    const what = `program ${name}, ${traffic}`;
    const arm = 'signalbox';
    return [
      counted(`${what}, instructions`, arm, instructions),
      { what: `${what}, runs`, arm, value: runsPerUnit, unit: 'count' },
      { what: `${what}, time of a run`, arm, value: nsPerRun, unit: 'ns' },
    ];
  });
}

function counted(what: string, arm: ArmName, value: number): Figure {
  return { what, arm, value, unit: 'count', isExact: true };
}
