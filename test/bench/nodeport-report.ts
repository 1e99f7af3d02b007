// SPDX-License-Identifier: Apache-2.0
// What `bench nodeport` found, for people: the budgets first, then what is behind them.

import { printTable } from '../../agent/commands/table.ts';
import type { Machine } from './machine.ts';
import type { Options } from './nodeport.ts';
import type { Budget } from './nodeport-budgets.ts';
import type { PacketPath } from './nodeport-programs.ts';
import { FAMILIES, type Family } from './nodeport-topology.ts';
import {
  type Bulk,
  type Latencies,
  type Ratio,
  type Ratios,
  ROUTES,
  type Route,
  type Target,
} from './nodeport-traffic.ts';

/** Between medians of what is the same, on a machine that does nothing else. */
const QUIET = 0.02;

export interface Report {
  readonly date: string;
  readonly machine: Machine;
  readonly options: Options;
  readonly budgets: readonly Budget[];
  readonly connections: readonly Latencies[];
  readonly roundTrips: readonly Latencies[];
  /** For a megabyte. */
  readonly streams: readonly Bulk[];
  /** For a datagram. */
  readonly datagrams: readonly Bulk[];
  readonly packetPath: readonly PacketPath[];
}

const FAMILY_NAMES: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };
const ROUTE_NAMES: Readonly<Record<Route, string>> = {
  direct: 'direct, no programs',
  directAgain: 'the same again (noise)',
  passed: 'direct, programs attached',
  nodePort: 'through the nodePort',
};

export function printReport(report: Report): void {
  const { machine, date } = report;
  console.log(
    [
      '',
      `Linux ${machine.kernel}, ${machine.cpus} x ${machine.cpu}, Node ${machine.node}, ${date}`,
      `Direct is the same way through the node, to the same server; load before: ${machine.load.toFixed(1)}`,
      'Client and servers share a CPU, but for streams, whose reader has one of its own.',
      '',
    ].join('\n'),
  );
  printTable(
    ['NODEPORT AGAINST DIRECT', 'RATIO', 'ROUNDS', 'NOISE', 'BUDGET', ''],
    report.budgets.map(budgetRow),
  );
  printNoise(report.budgets);
  printLatencies('CONNECTION AND ROUND TRIP', report.connections);
  printLatencies('ESTABLISHED ROUND TRIP', report.roundTrips);
  printBulk('ONE TCP STREAM', 'GB/S', 'CPU S PER GB', report.streams, {
    rate: (nsPerMegabyte) => (1e9 / nsPerMegabyte / 1e3).toFixed(2),
    cpu: (nsPerMegabyte) => ((nsPerMegabyte * 1e3) / 1e9).toFixed(3),
  });
  printBulk('SMALL DATAGRAMS', '1000/S', 'CPU NS EACH', report.datagrams, {
    rate: (ns) => (1e9 / ns / 1e3).toFixed(0),
    cpu: (ns) => ns.toFixed(0),
  });
  console.log();
  printTable(
    ['PROGRAM', 'INSTRUCTIONS', 'TRAFFIC', 'RUNS EACH', 'IPV4 NS A RUN', 'IPV6 NS A RUN'],
    programRows(report.packetPath),
  );
}

function budgetRow({ what, measured, noise, limit, isExclusive, isMet, ...target }: Budget) {
  return [
    `${what}, ${nameOf(target)}`,
    measured.ofMedians.toFixed(3),
    rounds(measured),
    noise.ofMedians.toFixed(3),
    isExclusive ? `below ${limit.toFixed(2)}` : limit.toFixed(2),
    isMet ? 'met' : 'NOT MET',
  ];
}

function printNoise(budgets: readonly Budget[]): void {
  const worst = Math.max(...budgets.map(({ noise }) => Math.abs(noise.ofMedians - 1)));
  if (worst <= QUIET) return;
  const percent = (worst * 100).toFixed(0);
  console.log(
    `\nThe same came out up to ${percent} % apart: others used this machine. Run it again.`,
  );
}

function printLatencies(head: string, measured: readonly Latencies[]): void {
  console.log();
  printTable(
    [head, 'MEDIAN US', 'P90 US', 'P99 US', 'RATIO', 'ROUNDS'],
    measured.flatMap(({ routes, ratios, ...target }) =>
      ROUTES.map((route) => {
        const { p50, p90, p99 } = routes[route];
        const figures = [p50.toFixed(2), p90.toFixed(1), p99.toFixed(1)];
        return [`${nameOf(target)}: ${ROUTE_NAMES[route]}`, ...figures, ...against(ratios, route)];
      }),
    ),
  );
}

function printBulk(
  head: string,
  rateHead: string,
  cpuHead: string,
  measured: readonly Bulk[],
  show: Readonly<Record<'rate' | 'cpu', (ns: number) => string>>,
): void {
  console.log();
  printTable(
    [head, rateHead, cpuHead, 'CPU RATIO', 'ROUNDS'],
    measured.flatMap(({ routes, cpuRatios, ...target }) =>
      ROUTES.map((route) => [
        `${nameOf(target)}: ${ROUTE_NAMES[route]}`,
        show.rate(routes[route].ns.p50),
        show.cpu(routes[route].cpuNs.p50),
        ...against(cpuRatios, route),
      ]),
    ),
  );
}

/** Ratio, and the rounds' least and greatest. */
function against(ratios: Ratios, route: Route): string[] {
  if (route === 'direct') return ['1', ''];
  return [ratios[route].ofMedians.toFixed(3), rounds(ratios[route])];
}

/** A row for each program and traffic, both families beside each other. */
function programRows(paths: readonly PacketPath[]): string[][] {
  // By direct ways no program runs, but for a neighbour that is asked for again meanwhile.
  const met = paths.filter(({ route }) => route === 'passed' || route === 'nodePort');
  const runs = met.flatMap(({ programs, kind, route, place, family }) =>
    programs.map((run) => ({ ...run, family, traffic: trafficName({ kind, route, place }) })),
  );
  const alike = Map.groupBy(runs, ({ program, traffic }) => `${program} ${traffic}`);
  return [...alike.values()]
    .flatMap((families) => {
      const [first] = families;
      if (!first) return [];
      const each = FAMILIES.map((family) => families.find((run) => run.family === family));
      return [
        [
          first.program,
          `${first.instructions}`,
          first.traffic,
          [...new Set(each.map((run) => run?.runsPerUnit.toFixed(1) ?? '0'))].join(' / '),
          ...each.map((run) => run?.nsPerRun.toFixed(0) ?? ''),
        ],
      ];
    })
    .sort(([one = ''], [other = '']) => -one.localeCompare(other));
}

const KIND_NAMES: Readonly<Record<PacketPath['kind'], string>> = {
  connections: 'connection, round trip, reset',
  'round-trips': 'established round trip',
  datagrams: 'small datagram',
  megabytes: 'megabyte',
};

function trafficName({ kind, route, place }: Pick<PacketPath, 'kind' | 'route' | 'place'>): string {
  const whose = route === 'nodePort' ? `nodePort, ${place}` : `no Service's, ${place}`;
  return `${KIND_NAMES[kind]}; ${whose}`;
}

function nameOf({ place, family }: Target): string {
  return `${place}, ${FAMILY_NAMES[family]}`;
}

function rounds({ min, max }: Ratio): string {
  return `${min.toFixed(3)} to ${max.toFixed(3)}`;
}
