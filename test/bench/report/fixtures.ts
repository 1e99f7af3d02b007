// SPDX-License-Identifier: Apache-2.0
// Results that nobody measured, for the tests of the report: one that is plausible in all its parts, which tests take
// parts from, and arbitrary ones with gaps.

import fc from 'fast-check';
import {
  ARMS,
  type Arm,
  type ArmName,
  type Bulk,
  type Change,
  type Cost,
  type Family,
  LATENCY_KINDS,
  type Latency,
  type LatencyKind,
  PATHS,
  type Path,
  PROXIES,
  type Ratio,
  type Restart,
  type Result,
  type Start,
} from '../result.ts';
import type { Distribution } from '../statistics.ts';

export const LABELS: Readonly<Record<ArmName, string>> = {
  direct: 'no proxy',
  directAgain: 'no proxy, again',
  signalbox: 'Signalbox',
  nftables: 'kube-proxy 1.36.3, nftables',
  iptables: 'kube-proxy 1.36.3, iptables-legacy',
};

const STAND_INS: Partial<Readonly<Record<ArmName, string>>> = {
  nftables: 'rules shaped like kube-proxy’s, nftables',
  iptables: 'rules shaped like kube-proxy’s, iptables',
};

const FACTORS: Readonly<Record<ArmName, number>> = {
  direct: 1,
  directAgain: 1.004,
  signalbox: 1.02,
  nftables: 1.25,
  iptables: 1.21,
};

/** Microseconds of a direct one. */
const DIRECT_US: Readonly<Record<LatencyKind, number>> = {
  connect: 24,
  connection: 48,
  roundTrip: 14,
  firstDatagram: 21,
  firstDatagramConnected: 22,
  nextDatagram: 13,
  nextDatagramConnected: 12,
};

export const OPPONENTS = ['kubeProxy', 'standIns', 'none'] as const;
export type Opponents = (typeof OPPONENTS)[number];

/** With every section. @param opponents what there is of kube-proxy. */
export function plausibleResult(opponents: Opponents = 'kubeProxy'): Result {
  const names = ARMS.filter((name) => opponents !== 'none' || !isKubeProxy(name));
  const proxies = PROXIES.filter((name) => opponents === 'kubeProxy' || name === 'signalbox');
  return {
    version: 1,
    date: '2026-11-21T12:00:00.000Z',
    machine: {
      kernel: '6.18.5',
      cpu: 'A processor',
      cpus: 2,
      memoryMiB: 7_900,
      node: 'v24.21.0',
      load: 0.12,
    },
    commit: '9b388b0',
    tookSeconds: 412.3,
    options: { services: [10, 1_000, 10_000], endpoints: 3, rounds: 7, exchanges: 2_000 },
    arms: names.map((name) => arm(name, opponents)),
    latencies: [
      ...[10, 1_000, 10_000].map((services) =>
        latency(names, 'connect', 'clusterIP', 'ipv4', services),
      ),
      ...LATENCY_KINDS.slice(1).map((kind) => latency(names, kind, 'clusterIP', 'ipv4', 10_000)),
      ...(['nodePortLocal', 'nodePortRemote'] as const).flatMap((path) =>
        (['ipv4', 'ipv6'] as const).flatMap((family) =>
          (['connection', 'roundTrip'] as const).map((kind) =>
            latency(names, kind, path, family, 10_000),
          ),
        ),
      ),
    ],
    streams: PATHS.flatMap((path) =>
      (['ipv4', 'ipv6'] as const).flatMap((family) =>
        (['stream', 'datagrams'] as const).map((kind) => bulk(names, kind, path, family)),
      ),
    ),
    starts: proxies.flatMap(startsOf),
    changes: proxies.flatMap(changesOf),
    restarts: proxies.map(restartOf),
    costs: proxies.map(costOf),
    programs: [
      {
        name: 'sb_connect4',
        traffic: 'connect()',
        instructions: 812,
        runsPerUnit: 1,
        nsPerRun: 310,
      },
    ],
    budgets: [],
    notes: ['The round trips of IPv6 through a ClusterIP were not measured.'],
  };
}

/** With every section empty. */
export function emptyResult(): Result {
  const { version, date, machine, options, arms } = plausibleResult('none');
  const none: readonly never[] = [];
  return {
    version,
    date,
    machine,
    tookSeconds: 1,
    options,
    arms: arms.filter(({ name }) => name === 'signalbox'),
    latencies: none,
    streams: none,
    starts: none,
    changes: none,
    restarts: none,
    costs: none,
    programs: none,
    budgets: none,
    notes: none,
  };
}

/** Parts of a plausible one, in any combination, with odd texts in it. */
export const results: fc.Arbitrary<Result> = fc
  .constantFrom(...OPPONENTS.map(plausibleResult))
  .chain((whole) =>
    fc.record({
      version: fc.constant(whole.version),
      date: fc.constant(whole.date),
      machine: fc.record({
        kernel: fc.string(),
        cpu: fc.string({ unit: 'binary' }),
        cpus: fc.nat(256),
        memoryMiB: fc.nat(),
        node: fc.constant('v24'),
        load: fc.double({ min: 0, max: 99, noNaN: true }),
      }),
      tookSeconds: fc.nat(),
      options: fc.constant(whole.options),
      arms: fc.constant(whole.arms),
      latencies: fc.subarray([...whole.latencies]),
      streams: fc.subarray([...whole.streams]),
      starts: fc.subarray([...whole.starts]),
      changes: fc.subarray([...whole.changes]),
      restarts: fc.subarray([...whole.restarts]),
      costs: fc.subarray([...whole.costs]),
      programs: fc.subarray([...whole.programs]),
      budgets: fc.constant([]),
      notes: fc.array(fc.string()),
    }),
  );

export function ratio(ofMedians: number, spread = 0.03): Ratio {
  return { ofMedians, min: ofMedians - spread, max: ofMedians + spread };
}

export function spread(p50: number, count = 14_000): Distribution {
  return { count, min: p50 * 0.8, p50, p90: p50 * 1.3, p99: p50 * 2.1, max: p50 * 11 };
}

export function latency(
  names: readonly ArmName[],
  kind: LatencyKind,
  path: Path,
  family: Family,
  services: number,
): Latency {
  return {
    kind,
    path,
    family,
    services,
    arms: names.map((name) => {
      // An established connection costs Signalbox nothing through a ClusterIP.
      const isFree = name === 'signalbox' && kind === 'roundTrip' && path === 'clusterIP';
      const factor = isFree ? 1 : FACTORS[name];
      const p50 = DIRECT_US[kind] * factor * (1 + Math.log10(services) / 100);
      return {
        arm: name,
        us: spread(p50),
        percentilesUs: Array.from({ length: 101 }, (_, percent) => percentile(p50, percent)),
        ratio: ratio(factor, name === 'direct' ? 0 : 0.03),
        ...(name !== 'direct' && { past: { us: spread(DIRECT_US[kind]), ratio: ratio(1.01) } }),
      };
    }),
  };
}

function percentile(p50: number, percent: number): number {
  const share = percent / 100;
  return share <= 0.5 ? p50 * (0.8 + 0.4 * share) : p50 * (1 + (share - 0.5) ** 3 * 9);
}

function arm(name: ArmName, opponents: Opponents): Arm {
  const isStandIn = opponents === 'standIns' && isKubeProxy(name);
  return { name, label: (isStandIn ? STAND_INS[name] : undefined) ?? LABELS[name], isStandIn };
}

function isKubeProxy(name: ArmName): boolean {
  return name === 'nftables' || name === 'iptables';
}

function bulk(names: readonly ArmName[], kind: Bulk['kind'], path: Path, family: Family): Bulk {
  return {
    kind,
    path,
    family,
    arms: names.map((name) => {
      const factor = name === 'signalbox' && path === 'nodePortRemote' ? 0.93 : FACTORS[name];
      const cpuRatio = ratio(factor);
      return {
        arm: name,
        cpuSeconds: spread(0.54 * factor, 7),
        seconds: spread(0.4 * factor, 7),
        cpuRatio,
        timeRatio: cpuRatio,
      };
    }),
  };
}

function startsOf(proxy: (typeof PROXIES)[number]): Start[] {
  const seconds = { signalbox: 0.9, nftables: 12, iptables: 2.1 }[proxy];
  return [
    start(proxy, 'cold', 10_000, seconds),
    start(proxy, 'warm', 10_000, seconds),
    start(proxy, 'small', 10, 0.45),
  ];
}

function start(
  proxy: (typeof PROXIES)[number],
  kind: Start['kind'],
  services: number,
  seconds: number,
): Start {
  return { proxy, kind, services, seconds: spread(seconds, 3), cpuSeconds: spread(seconds, 3) };
}

function changesOf(proxy: (typeof PROXIES)[number]): Change[] {
  const p50 = { signalbox: 2.1, nftables: 3_959, iptables: 746 }[proxy];
  const common = { proxy, services: 10_000, triedEveryMs: 0.2, wentBack: 0, pending: 0 };
  return [
    { ...common, perSecond: 0, landedMs: spread(p50, 200), cpuMsPerChange: p50 / 3 },
    { ...common, perSecond: 50, landedMs: spread(p50 * 2, 500), cpuMsPerChange: p50 / 5 },
  ];
}

function restartOf(proxy: (typeof PROXIES)[number]): Restart {
  const pickedUpMs = proxy === 'signalbox' ? 800 : 4_000;
  return { proxy, services: 10_000, exchanges: 60_000, failed: 0, pickedUpMs };
}

function costOf(proxy: (typeof PROXIES)[number]): Cost {
  const rssMiB = { signalbox: 108, nftables: 184, iptables: 195 }[proxy];
  return {
    proxy,
    services: 10_000,
    rssMiB,
    peakRssMiB: rssMiB * 1.4,
    privateMiB: rssMiB * 0.6,
    heapMiB: rssMiB * 0.4,
    kernelMiB: { signalbox: 14.1, nftables: 13.9, iptables: 54 }[proxy],
    ...(proxy === 'signalbox' && { mapsMiB: 13.2 }),
    idlePercent: 0,
  };
}
