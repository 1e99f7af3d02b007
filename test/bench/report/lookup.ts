// SPDX-License-Identifier: Apache-2.0
// Finding things in a result, and what they are called: every part of the report asks here, so that nothing has two
// names and no stand-in goes without being called one. Pure.

import type {
  ArmLatency,
  ArmName,
  Family,
  Latency,
  LatencyKind,
  Path,
  ProxyName,
  Result,
} from '../result.ts';

/** Before the budgets are judged. */
export type Measured = Omit<Result, 'budgets'>;

export const KUBE_PROXIES = ['nftables', 'iptables'] as const satisfies readonly ProxyName[];

export const KIND_NAMES: Readonly<Record<LatencyKind, string>> = {
  connect: 'connect()',
  connection: 'connection and first round trip',
  roundTrip: 'established round trip',
  firstDatagram: 'first UDP datagram, socket not connected',
  firstDatagramConnected: 'first UDP datagram, connected socket',
  nextDatagram: 'later UDP datagram, socket not connected',
  nextDatagramConnected: 'later UDP datagram, connected socket',
};

export const PATH_NAMES: Readonly<Record<Path, string>> = {
  clusterIP: 'ClusterIP',
  nodePortLocal: 'NodePort, local',
  nodePortRemote: 'NodePort, remote',
};

export const FAMILY_NAMES: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

export const FAMILIES = ['ipv4', 'ipv6'] as const satisfies readonly Family[];

/** What people read for an arm. A stand-in is called one whatever its label says, and no two arms are called the same. */
export function labelOf({ arms }: Pick<Result, 'arms'>, name: ArmName): string {
  const arm = arms.find((each) => each.name === name);
  if (arm === undefined) return name;
  if (name === 'directAgain') return `${arm.label}, again`;
  return arm.isStandIn && !/stand-in/i.test(arm.label) ? `${arm.label} (stand-in)` : arm.label;
}

/** The same where it is said already that it is kube-proxy: its mode; of a stand-in all of its label. */
export function modeOf(result: Pick<Result, 'arms'>, name: ArmName): string {
  const arm = result.arms.find((each) => each.name === name);
  if (arm === undefined) return name;
  return arm.isStandIn ? labelOf(result, name) : arm.label.replace(/^kube-proxy [^,]*, /, '');
}

export function greatestSize({ options }: Pick<Result, 'options'>): number {
  return Math.max(0, ...options.services);
}

/** @param services default: the greatest number that this was measured with. */
export function findLatency(
  { latencies }: Measured,
  wanted: { kind: LatencyKind; path: Path; family: Family; services?: number },
): Latency | undefined {
  const { kind, path, family, services } = wanted;
  return latencies
    .filter((each) => each.kind === kind && each.path === path && each.family === family)
    .filter((each) => services === undefined || each.services === services)
    .reduce<Latency | undefined>(
      (found, each) => (found !== undefined && found.services >= each.services ? found : each),
      undefined,
    );
}

/** Of one arm in a list of arms. */
export function ofArm<T extends { readonly arm: ArmName }>(
  of: { readonly arms: readonly T[] } | undefined,
  name: ArmName,
): T | undefined {
  return of?.arms.find(({ arm }) => arm === name);
}

/** Of one proxy, the entry with the most Services that `isWanted`. */
export function ofProxy<T extends { readonly proxy: ProxyName; readonly services: number }>(
  entries: readonly T[],
  proxy: ProxyName,
  isWanted: (entry: T) => boolean = () => true,
): T | undefined {
  const found = entries.filter((entry) => entry.proxy === proxy && isWanted(entry));
  return found.toSorted((a, b) => b.services - a.services)[0];
}

/** How far apart two direct measurements came out, as a fraction; undefined where there were not two. */
export function noiseOf(latency: Latency): number | undefined {
  const again = ofArm(latency, 'directAgain');
  return again && Math.abs(again.ratio.ofMedians - 1);
}

/** The same at another percentile. */
export function noiseAt(latency: Latency, percentile: 'p90' | 'p99'): number | undefined {
  const again = ofArm(latency, 'directAgain');
  const ratio = again && ratioAt(latency, again, percentile);
  return ratio && Math.abs(ratio - 1);
}

/** Of one arm, a percentile against the same of direct. */
export function ratioAt(
  latency: Latency,
  arm: ArmLatency,
  percentile: 'p90' | 'p99',
): number | undefined {
  const direct = ofArm(latency, 'direct');
  return direct && direct.us[percentile] > 0
    ? arm.us[percentile] / direct.us[percentile]
    : undefined;
}

/** The greatest A/A noise of any median of the run; undefined where nothing was measured twice. */
export function noiseOfRun({ latencies, streams }: Measured): number | undefined {
  const noises = [
    ...latencies.map(noiseOf),
    ...streams.flatMap((bulk) => {
      const again = ofArm(bulk, 'directAgain');
      return again ? [again.cpuRatio, again.timeRatio].map((r) => Math.abs(r.ofMedians - 1)) : [];
    }),
  ].filter((noise) => noise !== undefined);
  return noises.length === 0 ? undefined : Math.max(...noises);
}
