// SPDX-License-Identifier: Apache-2.0
// What line plots are put together from: axes, lines with marks, whiskers, keys beside the plot. Pure.

import type { ArmName } from '../result.ts';
import { FAINT, INK, STYLES, WIDTH } from './svg-plot.ts';

/** For the names at the ends of lines. */
const LABEL_ROOM = 250;
export const HEIGHT = 420;
export const GRID = { left: 70, right: LABEL_ROOM, top: 106, bottom: 56 };
/** Arms stand beside each other, so that no whisker hides another: this share of the axis apart. */
export const APART = 0.018;
export const AXIS = {
  nameTextStyle: { fontSize: 13, color: INK },
  axisLabel: { fontSize: 12, color: INK },
  axisLine: { lineStyle: { color: INK } },
  splitLine: { lineStyle: { color: FAINT } },
};

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

/** @param label at its end; undefined where lines end too close to each other. */
export function line(arm: ArmName, data: readonly (readonly number[])[], label?: string): object {
  const { color, ink, dash, symbol } = STYLES[arm];
  return {
    type: 'line',
    silent: true,
    data: data.map((value, at) => ({
      value,
      // Of a distribution, the median and p90 are marked.
      symbolSize: data.length < 20 || at === 50 || at === 90 ? 9 : 0,
    })),
    symbol,
    showAllSymbol: true,
    lineStyle: { color, type: dash.length > 0 ? dash : 'solid', width: 2.5 },
    itemStyle: { color },
    z: arm === 'signalbox' ? 4 : 3,
    ...(label !== undefined && {
      endLabel: {
        show: true,
        formatter: label,
        color: ink,
        fontSize: 12,
        distance: 18,
        lineHeight: 15,
      },
      labelLayout: { moveOverlap: 'shiftY' },
    }),
  };
}

/** Beside the plot: a piece of the line with its mark, and whose it is. */
export function key(arm: ArmName, label: string, at: number): object[] {
  const { color, ink, dash } = STYLES[arm];
  const [x, y] = [WIDTH - LABEL_ROOM + 16, GRID.top + 20 + at * 62];
  return [
    {
      type: 'line',
      silent: true,
      shape: { x1: x, y1: y, x2: x + 36, y2: y },
      style: { stroke: color, lineWidth: 2.5, lineDash: dash },
    },
    {
      type: 'text',
      silent: true,
      x: x + 42,
      y: y - 8,
      style: { text: label, fill: ink, fontSize: 12, lineHeight: 15 },
    },
  ];
}

export function whiskers(arm: ArmName, points: readonly Point[]): object {
  const { color } = STYLES[arm];
  const cap = 5;
  return {
    type: 'custom',
    silent: true,
    z: 2,
    data: points.filter(({ low, high }) => low < high).map(({ x, low, high }) => [x, low, high]),
    renderItem: (
      _: unknown,
      api: { value: (at: number) => number; coord: (at: readonly number[]) => [number, number] },
    ) => {
      const [x, top] = api.coord([api.value(0), api.value(2)]);
      const [, bottom] = api.coord([api.value(0), api.value(1)]);
      return {
        type: 'path',
        shape: {
          pathData: `M${x - cap} ${top}H${x + cap}M${x} ${top}V${bottom}M${x - cap} ${bottom}H${x + cap}`,
        },
        style: { fill: 'none', stroke: color, lineWidth: 1.5 },
      };
    },
  };
}

export function roundedTo(step: number, value: number, round: (steps: number) => number): number {
  return Number((round(Number((value / step).toFixed(6))) * step).toFixed(6));
}
