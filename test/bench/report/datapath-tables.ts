// SPDX-License-Identifier: Apache-2.0
// Tables of what connections pay, an arm a row: every size, kind, path and family that was measured. Pure.

import type { Latency, Path, Ratio, Result } from '../result.ts';
import { LATENCY_KINDS } from '../result.ts';
import type { Distribution } from '../statistics.ts';
import { FAMILY_NAMES, KIND_NAMES, labelOf, PATH_NAMES } from './lookup.ts';
import type { Table } from './page.ts';
import { number } from './units.ts';

const LATENCY_HEADS = ['p50 µs', 'p90 µs', 'p99 µs', '× direct', 'rounds'];

/** One for each path and kind; rows in the order of sizes, then families. */
export function latencyTables(result: Result, paths: readonly Path[]): Table[] {
  return paths.flatMap((path) =>
    LATENCY_KINDS.map((kind) => ({
      caption: `${PATH_NAMES[path]}: ${KIND_NAMES[kind]}`,
      heads: ['Services', 'family', 'who', ...LATENCY_HEADS],
      words: 3,
      rows: sorted(result.latencies)
        .filter((latency) => latency.path === path && latency.kind === kind)
        .flatMap((latency) =>
          latency.arms.map(({ arm, us, ratio }) => [
            number(latency.services, 0),
            FAMILY_NAMES[latency.family],
            labelOf(result, arm),
            ...microseconds(us),
            ...ratios(ratio),
          ]),
        ),
    })),
  );
}

export function pastTable(result: Result): Table[] {
  return [
    {
      caption: 'The same exchange without a Service, by the same devices and hooks',
      heads: ['exchange', 'Services', 'family', 'who', ...LATENCY_HEADS],
      words: 4,
      rows: sorted(result.latencies).flatMap((latency) =>
        latency.arms.flatMap(({ arm, past }) =>
          past === undefined
            ? []
            : [
                [
                  `${PATH_NAMES[latency.path]}: ${KIND_NAMES[latency.kind]}`,
                  number(latency.services, 0),
                  FAMILY_NAMES[latency.family],
                  labelOf(result, arm),
                  ...microseconds(past.us),
                  ...ratios(past.ratio),
                ],
              ],
        ),
      ),
    },
  ];
}

export function streamTables(result: Result): Table[] {
  const tables = [
    { kind: 'stream', caption: 'A TCP stream, for each GB (10^9 bytes)' },
    { kind: 'datagrams', caption: 'Small datagrams one way, for each million' },
  ] as const;
  return tables.map(({ kind, caption }) => ({
    caption,
    heads: ['path', 'family', 'who', 'CPU s', '× direct', 'rounds', 'time s', '× direct', 'rounds'],
    words: 3,
    rows: result.streams
      .filter((bulk) => bulk.kind === kind)
      .flatMap(({ path, family, arms }) =>
        arms.map((taken) => [
          PATH_NAMES[path],
          FAMILY_NAMES[family],
          labelOf(result, taken.arm),
          number(taken.cpuSeconds.p50, 3),
          ...ratios(taken.cpuRatio),
          number(taken.seconds.p50, 3),
          ...ratios(taken.timeRatio),
        ]),
      ),
  }));
}

function sorted(latencies: readonly Latency[]): Latency[] {
  return latencies.toSorted(
    (a, b) => a.services - b.services || a.family.localeCompare(b.family, 'en'),
  );
}

function microseconds({ p50, p90, p99 }: Distribution): string[] {
  return [p50, p90, p99].map((us) => number(us, 1));
}

function ratios({ ofMedians, min, max }: Ratio): string[] {
  return [number(ofMedians, 2), `${number(min, 2)}–${number(max, 2)}`];
}
