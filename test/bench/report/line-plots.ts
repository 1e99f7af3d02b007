// SPDX-License-Identifier: Apache-2.0
// Plots with lines: latency against the number of Services, and distributions. An arm a line, with its name at its end.
// Pure; plots.ts chooses.

import type { ArmLatency, ArmName, Latency, LatencyKind, Result } from '../result.ts';
import {
  APART,
  AXIS,
  GRID,
  HEIGHT,
  key,
  line,
  type Point,
  roundedTo,
  whiskers,
} from './line-series.ts';
import { findLatency, greatestSize, labelOf, ofArm } from './lookup.ts';
import { PLOT_TITLES } from './plot-titles.ts';
import { type Plot, wrapped } from './svg-plot.ts';
import { number, services as servicesText } from './units.ts';

/** No proxy a second time is told as noise, not drawn. */
const LINES = ['direct', 'signalbox', 'iptables', 'nftables'] as const satisfies ArmName[];

const MOST_TICKS = 8;
/** Characters that there is room for beside a piece of line. */
const KEY_LENGTH = 25;

/** Ratios of medians; whiskers go from the least to the greatest round. */
export function connectRatioPlot(result: Result): Plot | undefined {
  return bySize(result, {
    name: 'connect-ratio',
    yName: '× no proxy',
    subtitle:
      'Median of connect() among so many Services, as a ratio to no proxy (1.00) in the same run.\nWhiskers: the least and the greatest round. The axis does not begin at zero.',
    point: ({ ratio }) => ({ y: ratio.ofMedians, low: ratio.min, high: ratio.max }),
    text: ({ y }) => `${number(y, 2)}\u00a0×`,
    tick: (y) => number(y, 2),
    steps: [0.1, 0.5, 1, 5, 10, 50],
  });
}

export function connectLatencyPlot(result: Result): Plot | undefined {
  return bySize(result, {
    name: 'connect-latency',
    yName: 'µs',
    subtitle:
      'Marks: median. Whiskers: up to where the slowest tenth begins (p90).\nThe axis does not begin at zero.',
    point: ({ us }) => ({ y: us.p50, low: us.p50, high: us.p90 }),
    text: ({ y, high }) => `${number(y, 1)}, p90\u00a0${number(high, 1)}\u00a0µs`,
    tick: (y) => number(y),
    steps: [5, 10, 20, 50, 100, 500],
  });
}

function bySize(
  result: Result,
  plot: {
    name: 'connect-ratio' | 'connect-latency';
    yName: string;
    subtitle: string;
    point: (latency: ArmLatency) => Omit<Point, 'x'>;
    text: (last: Point) => string;
    tick: (y: number) => string;
    /** The axis begins and ends at multiples of one of them. */
    steps: readonly number[];
  },
): Plot | undefined {
  const latencies = result.latencies
    .filter(({ kind, path, family }) => {
      return kind === 'connect' && path === 'clusterIP' && family === 'ipv4';
    })
    .toSorted((a, b) => a.services - b.services);
  if (latencies.length === 0) return undefined;
  const sizes = latencies.map(({ services }) => services);
  const [least, most] = [Math.max(1, Math.min(...sizes) / 2), Math.max(...sizes) * 1.6];
  const apart = (most / least) ** APART;
  const lines = LINES.flatMap((arm, at) => {
    const points = latencies.flatMap((latency): Point[] => {
      const taken = ofArm(latency, arm);
      const x = latency.services * apart ** (at - (LINES.length - 1) / 2);
      return taken === undefined ? [] : [{ x, ...plot.point(taken) }];
    });
    const last = points.at(-1);
    return last === undefined
      ? []
      : [{ arm, points, label: wrapped(`${labelOf(result, arm)}: ${plot.text(last)}`) }];
  });
  const all = lines.flatMap(({ points }) => points);
  const low = Math.min(...all.map((point) => point.low));
  const high = Math.max(...all.map((point) => point.high));
  const step = plot.steps.find((each) => (high - low) / each <= MOST_TICKS) ?? high - low;
  return {
    name: plot.name,
    title: PLOT_TITLES[plot.name],
    subtitle: plot.subtitle,
    height: HEIGHT,
    options: {
      grid: GRID,
      xAxis: {
        ...AXIS,
        type: 'log',
        name: 'Services',
        nameLocation: 'middle',
        nameGap: 34,
        min: least,
        max: most,
        axisLabel: {
          ...AXIS.axisLabel,
          customValues: sizes,
          formatter: (size: number) => number(size, 0),
        },
        axisTick: { customValues: sizes },
        splitLine: { show: false },
      },
      yAxis: {
        ...AXIS,
        type: 'value',
        name: plot.yName,
        // Names at the ends of the lowest lines are to stand above the axis.
        min: Math.max(0, roundedTo(step, low - step / 5, Math.floor)),
        max: roundedTo(step, high, Math.ceil),
        interval: step,
        axisLabel: { ...AXIS.axisLabel, formatter: plot.tick },
      },
      series: lines.flatMap(({ arm, points, label }) => [
        whiskers(arm, points),
        line(
          arm,
          points.map(({ x, y }) => [x, y]),
          label,
        ),
      ]),
    },
  };
}

/** Shares of exchanges that took at most so long, from percentiles. */
export function distributionPlot(
  result: Result,
  name: 'connect-distribution' | 'datagram-distribution',
): Plot | undefined {
  const kind: LatencyKind = name === 'connect-distribution' ? 'connect' : 'firstDatagram';
  const latency = findLatency(result, { kind, path: 'clusterIP', family: 'ipv4' });
  if (latency === undefined) return undefined;
  const lines = distributionLines(result, latency);
  const size = servicesText(latency.services || greatestSize(result));
  return {
    name,
    title: PLOT_TITLES[name],
    subtitle: `Through a ClusterIP among ${size}: how many of 100 took at most so long, up to 99. Time is on a logarithmic scale.`,
    height: HEIGHT,
    options: {
      grid: GRID,
      xAxis: {
        ...AXIS,
        type: 'log',
        logBase: 2,
        name: 'µs',
        nameLocation: 'middle',
        nameGap: 34,
        ...timeAxis(lines.flatMap(({ points }) => points.map(([us]) => us))),
      },
      yAxis: { ...AXIS, type: 'value', name: 'of 100', min: 0, max: 100 },
      series: lines.map(({ arm, points }) => line(arm, points)),
      graphic: lines.flatMap(({ arm, label }, at) => key(arm, label, at)),
    },
  };
}

function distributionLines(result: Result, latency: Latency) {
  return LINES.flatMap((arm) => {
    const percentiles = ofArm(latency, arm)?.percentilesUs.slice(0, 100) ?? [];
    const points = percentiles
      .map((us, percent) => [us, percent] as const)
      .filter(([us]) => us > 0);
    const medians = `p50 ${number(percentiles[50] ?? 0, 1)}, p90 ${number(percentiles[90] ?? 0, 1)} µs`;
    const label = `${wrapped(labelOf(result, arm), KEY_LENGTH)}\n${medians}`;
    return points.length === 0 ? [] : [{ arm, points, label }];
  });
}

/** From just before the first value to just after the last, with round numbers that are not too close. */
function timeAxis(values: readonly number[]): object {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const steps = [1, 1.5, 2, 3, 4, 5, 7].flatMap((step) =>
    [1, 10, 100, 1_000, 10_000, 100_000].map((power) => step * power),
  );
  const inside = steps.filter((step) => step >= least && step <= most).sort((a, b) => a - b);
  return {
    min: least * 0.97,
    max: most * 1.03,
    axisLabel: {
      ...AXIS.axisLabel,
      customValues: inside.length > 0 ? inside : [least],
      formatter: (us: number) => number(us),
      hideOverlap: true,
    },
    axisTick: { customValues: inside },
    splitLine: { show: false },
  };
}
