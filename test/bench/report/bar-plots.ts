// SPDX-License-Identifier: Apache-2.0
// Plots in panels below each other, an arm a row with its name before it and its number behind: bars from zero, and
// ranges on a logarithmic scale. Pure; plots.ts chooses.

import type { ArmName, Change, Cost, Result } from '../result.ts';
import { ARMS } from '../result.ts';
import { FAMILY_NAMES, labelOf, PATH_NAMES } from './lookup.ts';
import { PLOT_TITLES } from './plot-titles.ts';
import { FAINT, INK, type Plot, STYLES, WIDTH, wrapped } from './svg-plot.ts';
import { megabytes, number, services as servicesText, withUnit } from './units.ts';

interface Row {
  readonly arm: ArmName;
  readonly label: string;
  readonly text: string;
  readonly value: number;
  /** Where a range ends; a bar has none. */
  readonly to?: number;
}

interface Panel {
  readonly title: string;
  readonly rows: readonly Row[];
}

const LEFT = 230;
const RIGHT = 170;
const TOP = 70;
const ROW_HEIGHT = 36;
const PANEL_HEAD = 34;
const AXIS_ROOM = 40;

export function streamPlot(result: Result): Plot | undefined {
  const panels = result.streams
    .filter(({ kind }) => kind === 'stream')
    .map(
      ({ path, family, arms }): Panel => ({
        title: `${PATH_NAMES[path]}, ${FAMILY_NAMES[family]}`,
        rows: arms
          .filter(({ arm }) => arm !== 'directAgain')
          .map(({ arm, cpuSeconds, cpuRatio }) => ({
            arm,
            label: labelOf(result, arm),
            value: cpuSeconds.p50,
            text: `${number(cpuSeconds.p50, 3)} s, ${withUnit(cpuRatio.ofMedians, 'ratio')}`,
          })),
      }),
    );
  return barPlot('stream-cpu', panels, {
    subtitle: 'Median of all CPU that was spent for 10^9 bytes, and as a ratio to no proxy.',
    xName: 'CPU seconds per GB',
  });
}

export function startPlot(result: Result): Plot | undefined {
  const panels = [
    ...Map.groupBy(
      result.starts,
      ({ kind, services }) => `${kind} start, ${servicesText(services)}`,
    ),
  ].flatMap(([title, starts]) =>
    (['seconds', 'cpuSeconds'] as const).map(
      (what): Panel => ({
        title: `${title}: ${what === 'seconds' ? 'time' : 'CPU'}`,
        rows: starts.map((start) => ({
          arm: start.proxy,
          label: labelOf(result, start.proxy),
          value: start[what].p50,
          text: withUnit(start[what].p50, 's'),
        })),
      }),
    ),
  );
  return barPlot('starts', panels, {
    subtitle:
      'Median. Cold: until the last Service works. Warm and small: until it says that it is ready.',
    xName: 'seconds',
  });
}

export function memoryPlot(result: Result): Plot | undefined {
  const of: readonly (readonly [string, (cost: Cost) => number | undefined])[] = [
    ['process, RSS', ({ rssMiB }) => rssMiB],
    ['process, not shared with others', ({ privateMiB }) => privateMiB],
    ['in the kernel', ({ kernelMiB }) => kernelMiB],
  ];
  const panels = of.map(
    ([title, mibOf]): Panel => ({
      title,
      rows: result.costs.flatMap((cost) => {
        const mib = mibOf(cost);
        if (mib === undefined) return [];
        const value = megabytes(mib);
        const label = labelOf(result, cost.proxy);
        return [{ arm: cost.proxy, label, value, text: withUnit(value, 'MB', 1) }];
      }),
    }),
  );
  const sizes = [...new Set(result.costs.map(({ services }) => servicesText(services)))];
  return barPlot('memory', panels, {
    subtitle: `Once it has settled, with ${sizes.join(', ')}. MB are 10^6 bytes.`,
    xName: 'MB',
  });
}

/** From the median to p99 of each proxy. */
export function changePlot(result: Result): Plot | undefined {
  const titleOf = ({ perSecond, services }: Change) =>
    `${perSecond === 0 ? 'one at a time' : `${perSecond} a second`}, ${servicesText(services)}`;
  const panels = [...Map.groupBy(result.changes, titleOf)].map(
    ([title, changes]): Panel => ({
      title,
      rows: changes.map(({ proxy, landedMs: { p50, p99 } }) => ({
        arm: proxy,
        label: labelOf(result, proxy),
        value: p50,
        to: p99,
        text: `${time(p50)}, p99 ${time(p99)}`,
      })),
    }),
  );
  const values = panels.flatMap(({ rows }) =>
    rows.flatMap(({ value, to }) => [value, to ?? value]),
  );
  if (values.length === 0) return undefined;
  const powerBelow = (value: number) => 10 ** Math.floor(Math.log10(Math.max(value, 0.001)));
  return panelPlot('changes', panels, {
    subtitle:
      'From storing new endpoints until new connections land on them. Mark: median; end of the line: p99. Logarithmic scale.',
    axis: {
      type: 'log',
      name: 'time',
      min: powerBelow(Math.min(...values)),
      max: powerBelow(Math.max(...values)) * 10,
      formatter: time,
    },
    series: rangeSeries,
  });
}

function barPlot(
  name: 'stream-cpu' | 'starts' | 'memory',
  panels: readonly Panel[],
  { subtitle, xName }: { subtitle: string; xName: string },
): Plot | undefined {
  const filled = panels.filter(({ rows }) => rows.length > 0);
  if (filled.length === 0) return undefined;
  const most = Math.max(...filled.flatMap(({ rows }) => rows.map(({ value }) => value)));
  const axis = {
    type: 'value',
    name: xName,
    min: 0,
    // Panels of the same thing are on one scale; those of starts are seconds of one kind and tenths of another.
    ...(name !== 'starts' && most > 0 && { max: ceiled(most) }),
  } as const;
  return panelPlot(name, filled, { subtitle, axis, series: barSeries });
}

function panelPlot(
  name: 'stream-cpu' | 'starts' | 'memory' | 'changes',
  panels: readonly Panel[],
  {
    subtitle,
    axis: { formatter = (value: number) => number(value), ...axis },
    series,
  }: {
    subtitle: string;
    axis: {
      type: 'value' | 'log';
      name: string;
      min: number;
      max?: number;
      formatter?: (value: number) => string;
    };
    series: (rows: readonly Row[], at: number) => object[];
  },
): Plot {
  let top = TOP;
  const placed = panels.map((panel) => {
    const rows = panel.rows.toSorted((a, b) => ARMS.indexOf(a.arm) - ARMS.indexOf(b.arm));
    const height = rows.length * ROW_HEIGHT;
    const begin = top + PANEL_HEAD;
    top = begin + height + AXIS_ROOM;
    return { title: panel.title, rows, begin, height };
  });
  return {
    name,
    title: PLOT_TITLES[name],
    subtitle,
    height: top + 20,
    options: {
      grid: placed.map(({ begin, height }) => ({ left: LEFT, right: RIGHT, top: begin, height })),
      graphic: placed.map(({ title, begin }) => ({
        type: 'text',
        left: 12,
        top: begin - 24,
        silent: true,
        style: { text: title, fill: INK, fontSize: 13, fontWeight: 'bold', width: WIDTH - 24 },
      })),
      xAxis: placed.map((_, at) => ({
        ...axis,
        name: at === placed.length - 1 ? axis.name : '',
        gridIndex: at,
        nameLocation: 'middle',
        nameGap: 28,
        nameTextStyle: { fontSize: 12, color: INK },
        axisLabel: { fontSize: 12, color: INK, formatter, hideOverlap: true },
        splitLine: { lineStyle: { color: FAINT } },
      })),
      yAxis: placed.map(({ rows }, at) => ({
        type: 'category',
        gridIndex: at,
        inverse: true,
        data: rows.map(({ label }) => wrapped(label)),
        axisTick: { show: false },
        axisLabel: { fontSize: 12, color: INK, lineHeight: 14, interval: 0 },
        axisLine: { lineStyle: { color: INK } },
      })),
      series: placed.flatMap(({ rows }, at) => series(rows, at)),
    },
  };
}

function barSeries(rows: readonly Row[], at: number): object[] {
  return [
    {
      type: 'bar',
      silent: true,
      xAxisIndex: at,
      yAxisIndex: at,
      barWidth: 18,
      data: rows.map(({ arm, value, text }) => ({
        value,
        itemStyle: { color: STYLES[arm].color },
        label: { show: true, position: 'right', fontSize: 12, color: INK, formatter: text },
      })),
    },
  ];
}

function rangeSeries(rows: readonly Row[], at: number): object[] {
  const axes = { silent: true, xAxisIndex: at, yAxisIndex: at };
  const lines = rows.map(({ arm, value, to = value }, row) => ({
    ...axes,
    type: 'line',
    symbol: 'none',
    data: [
      [value, row],
      [to, row],
    ],
    lineStyle: { color: STYLES[arm].color, width: 4 },
  }));
  const ends = rows.map(({ arm, value, to = value, text }, row) => ({
    ...axes,
    type: 'scatter',
    symbolSize: 13,
    data: [
      { value: [value, row], symbol: STYLES[arm].symbol },
      {
        value: [to, row],
        symbol: 'rect',
        symbolSize: [4, 18],
        label: { show: true, position: 'right', fontSize: 12, color: INK, formatter: text },
      },
    ],
    itemStyle: { color: STYLES[arm].color, opacity: 1 },
  }));
  return [...lines, ...ends];
}

function time(ms: number): string {
  return ms >= 1_000 ? withUnit(ms / 1_000, 's', 1) : withUnit(ms, 'ms');
}

/** The next number that an axis may well end at. */
function ceiled(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((each) => value <= each * power) ?? 10;
  return Number((step * power).toPrecision(3));
}
