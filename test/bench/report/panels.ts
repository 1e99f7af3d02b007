// SPDX-License-Identifier: Apache-2.0
// Panels below each other, an arm a row: bars from zero, or ranges on a logarithmic scale. Pure; bar-plots.ts says of
// what.

import { ARMS, type ArmName } from '../result.ts';
import { PLOT_TITLES } from './plot-titles.ts';
import { FAINT, INK, type Plot, STYLES, WIDTH, wrapped } from './svg-plot.ts';
import { number } from './units.ts';

export interface Row {
  readonly arm: ArmName;
  readonly label: string;
  readonly text: string;
  readonly value: number;
  /** Where a range ends; a bar has none. */
  readonly to?: number;
}

export interface Panel {
  readonly title: string;
  readonly rows: readonly Row[];
}

const LEFT = 230;
const RIGHT = 170;
const TOP = 70;
const ROW_HEIGHT = 36;
const PANEL_HEAD = 34;
const AXIS_ROOM = 40;

export function barPlot(
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

export function panelPlot(
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

export function rangeSeries(rows: readonly Row[], at: number): object[] {
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

/** The next number that an axis may well end at. */
function ceiled(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8].find((each) => value <= each * power) ?? 10;
  return Number((step * power).toPrecision(3));
}
