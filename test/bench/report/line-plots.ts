// SPDX-License-Identifier: Apache-2.0
// Plots with lines: latency against the number of Services, and distributions. An arm a line, with its name at its end.
// Pure; plots.ts chooses.

import type { ArmLatency, ArmName, Latency, LatencyKind, Result } from '../result.ts';
import { findLatency, greatestSize, labelOf, ofArm } from './lookup.ts';
import { PLOT_TITLES } from './plot-titles.ts';
import { FAINT, INK, type Plot, STYLES, wrapped } from './svg-plot.ts';
import { number, services as servicesText } from './units.ts';

/** No proxy a second time is told as noise, not drawn. */
const LINES = ['direct', 'signalbox', 'iptables', 'nftables'] as const satisfies ArmName[];

/** For the names at the ends of lines. */
const LABEL_ROOM = 250;
const GRID = { left: 70, right: LABEL_ROOM, top: 84, bottom: 56 };
const AXIS = {
  nameTextStyle: { fontSize: 13, color: INK },
  axisLabel: { fontSize: 12, color: INK },
  axisLine: { lineStyle: { color: INK } },
  splitLine: { lineStyle: { color: FAINT } },
};

interface Point {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

/** Ratios of medians; the band goes from the least to the greatest round. */
export function connectRatioPlot(result: Result): Plot | undefined {
  return bySize(result, {
    name: 'connect-ratio',
    yName: '× no proxy',
    subtitle:
      'Median of connect() among so many Services, as a ratio to no proxy (1.00) in the same run.\nBands: least and greatest of any round.',
    point: ({ ratio }) => ({ y: ratio.ofMedians, low: ratio.min, high: ratio.max }),
    text: (y) => `${number(y, 2)} ×`,
    scale: { min: ({ min }: { min: number }) => Math.min(0.95, Math.floor(min * 20) / 20) },
  });
}

export function connectLatencyPlot(result: Result): Plot | undefined {
  return bySize(result, {
    name: 'connect-latency',
    yName: 'µs',
    subtitle:
      'Lines: median. Bands: up to the slowest tenth (p90). The axis does not begin at zero.',
    point: ({ us }) => ({ y: us.p50, low: us.p50, high: us.p90 }),
    text: (y) => `${number(y, 1)} µs`,
    scale: { scale: true },
  });
}

function bySize(
  result: Result,
  plot: {
    name: 'connect-ratio' | 'connect-latency';
    yName: string;
    subtitle: string;
    point: (latency: ArmLatency) => Omit<Point, 'x'>;
    text: (y: number) => string;
    scale: object;
  },
): Plot | undefined {
  const latencies = result.latencies
    .filter(({ kind, path, family }) => {
      return kind === 'connect' && path === 'clusterIP' && family === 'ipv4';
    })
    .toSorted((a, b) => a.services - b.services);
  if (latencies.length === 0) return undefined;
  const sizes = latencies.map(({ services }) => services);
  const lines = LINES.flatMap((arm) => {
    const points = latencies.flatMap((latency): Point[] => {
      const taken = ofArm(latency, arm);
      return taken === undefined ? [] : [{ x: latency.services, ...plot.point(taken) }];
    });
    const last = points.at(-1);
    return last === undefined
      ? []
      : [{ arm, points, label: `${wrapped(labelOf(result, arm))}: ${plot.text(last.y)}` }];
  });
  return {
    name: plot.name,
    title: PLOT_TITLES[plot.name],
    subtitle: plot.subtitle,
    height: 400,
    options: {
      grid: GRID,
      xAxis: {
        ...AXIS,
        type: 'log',
        name: 'Services',
        nameLocation: 'middle',
        nameGap: 34,
        min: Math.max(1, Math.min(...sizes) / 2),
        max: Math.max(...sizes) * 1.6,
        axisLabel: {
          ...AXIS.axisLabel,
          customValues: sizes,
          formatter: (size: number) => number(size, 0),
        },
        axisTick: { customValues: sizes },
        splitLine: { show: false },
      },
      yAxis: { ...AXIS, type: 'value', name: plot.yName, ...plot.scale },
      series: lines.flatMap(({ arm, points, label }) => [
        band(arm, points),
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
    height: 400,
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
      series: lines.map(({ arm, points, label }) => line(arm, points, label)),
    },
  };
}

function distributionLines(result: Result, latency: Latency) {
  return LINES.flatMap((arm) => {
    const percentiles = ofArm(latency, arm)?.percentilesUs.slice(0, 100) ?? [];
    const points = percentiles
      .map((us, percent) => [us, percent] as const)
      .filter(([us]) => us > 0);
    const label = `${wrapped(labelOf(result, arm))}: ${number(percentiles[50] ?? 0, 1)} µs (median)`;
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

function line(arm: ArmName, data: readonly (readonly number[])[], label: string): object {
  const { color, dash, symbol } = STYLES[arm];
  return {
    type: 'line',
    silent: true,
    data,
    symbol,
    symbolSize: data.length > 20 ? 0 : 9,
    lineStyle: { color, type: dash, width: 2.5 },
    itemStyle: { color },
    z: arm === 'signalbox' ? 4 : 3,
    endLabel: { show: true, formatter: label, color, fontSize: 12, distance: 8, lineHeight: 15 },
    labelLayout: { moveOverlap: 'shiftY' },
  };
}

function band(arm: ArmName, points: readonly Point[]): object {
  const { color } = STYLES[arm];
  return {
    type: 'custom',
    silent: true,
    clip: true,
    z: 1,
    data: points.length > 1 && arm !== 'direct' ? [[points[0]?.x, points[0]?.y]] : [],
    renderItem: (_: unknown, api: { coord: (at: readonly number[]) => number[] }) => ({
      type: 'polygon',
      shape: {
        points: [
          ...points.map(({ x, high }) => api.coord([x, high])),
          ...points.toReversed().map(({ x, low }) => api.coord([x, low])),
        ],
      },
      style: { fill: color, opacity: 0.12 },
    }),
  };
}
