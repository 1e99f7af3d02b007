// SPDX-License-Identifier: Apache-2.0
// Every plot of a result as SVG text; those of which nothing was measured are left out. Pure.

import type { Result } from '../result.ts';
import { changePlot, memoryPlot, startPlot, streamPlot } from './bar-plots.ts';
import { connectLatencyPlot, connectRatioPlot, distributionPlot } from './line-plots.ts';
import type { PlotName } from './plot-names.ts';
import { drawSvg, type Plot } from './svg-plot.ts';

const PLOTS: Readonly<Record<PlotName, (result: Result) => Plot | undefined>> = {
  'connect-ratio': connectRatioPlot,
  'connect-latency': connectLatencyPlot,
  'connect-distribution': (result) => distributionPlot(result, 'connect-distribution'),
  'datagram-distribution': (result) => distributionPlot(result, 'datagram-distribution'),
  'stream-cpu': streamPlot,
  changes: changePlot,
  starts: startPlot,
  memory: memoryPlot,
};

/** @returns undefined when nothing of it was measured. */
export function plotSvg(result: Result, name: PlotName): string | undefined {
  const plot = PLOTS[name](result);
  return plot && drawSvg(plot);
}
