// SPDX-License-Identifier: Apache-2.0
// What takes CPU, time and memory, and how soon changes are live, as panels. Pure; plots.ts chooses.

import type { Change, Cost, Result } from '../result.ts';
import { FAMILY_NAMES, labelOf, PATH_NAMES } from './lookup.ts';
import { barPlot, type Panel, panelPlot, rangeSeries } from './panels.ts';
import type { Plot } from './svg-plot.ts';
import { megabytes, number, services as servicesText, withUnit } from './units.ts';

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
  const sizes = [...new Set(result.costs.map(({ services }) => services))].toSorted(
    (a, b) => a - b,
  );
  const panels = of.flatMap(([title, mibOf]) =>
    sizes.map(
      (size): Panel => ({
        title: `${title}, ${servicesText(size)}`,
        rows: result.costs.flatMap((cost) => {
          const mib = mibOf(cost);
          if (mib === undefined || cost.services !== size) return [];
          const value = megabytes(mib);
          const label = labelOf(result, cost.proxy);
          return [{ arm: cost.proxy, label, value, text: withUnit(value, 'MB', 1) }];
        }),
      }),
    ),
  );
  return barPlot('memory', panels, {
    subtitle: 'Once it has settled. MB are 10^6 bytes.',
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
      formatter: (ms: number) => (ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`),
    },
    series: rangeSeries,
  });
}

function time(ms: number): string {
  return ms >= 1_000 ? withUnit(ms / 1_000, 's', 1) : withUnit(ms, 'ms');
}
