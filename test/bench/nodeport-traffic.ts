// SPDX-License-Identifier: Apache-2.0
// What a nodePort costs, against the same traffic routed by the plain kernel: measured by traffic-client.c, with
// all ways to the servers taking turns.

import { isDeepStrictEqual } from 'node:util';
import { CLIENT_CPU, type NodePortCluster } from './nodeport-cluster.ts';
import { nodePort, type Server, targetPort } from './nodeport-services.ts';
import {
  type BackendPlace,
  backendAddress,
  FAMILIES,
  type Family,
  NODE_ADDRESSES,
  PLACES,
} from './nodeport-topology.ts';
import { type Distribution, distribution, median } from './statistics.ts';

/**
 * How a server is reached. `direct` meets no program; `passed` is the same by devices that have them, whose
 * packets are no Service's; `nodePort` is what all this is about.
 */
export const ROUTES = ['direct', 'directAgain', 'passed', 'nodePort'] as const;
export type Route = (typeof ROUTES)[number];

/** In the words of traffic-client.c. */
export type LatencyKind = 'connections' | 'round-trips';
export type BulkKind = 'datagrams' | 'megabytes';

const SERVERS: Readonly<Record<LatencyKind | BulkKind, Server>> = {
  connections: 'echo',
  'round-trips': 'echo',
  datagrams: 'datagrams',
  megabytes: 'sink',
};

export interface Target {
  readonly family: Family;
  readonly place: BackendPlace;
}

/** What is measured, each by every route. */
export const TARGETS: readonly Target[] = FAMILIES.flatMap((family) =>
  PLACES.map((place) => ({ family, place })),
);

/** Against direct: of the medians over all rounds, and the least and the greatest of any round. */
export interface Ratio {
  readonly ofMedians: number;
  readonly min: number;
  readonly max: number;
}

export type Ratios = Readonly<Record<Exclude<Route, 'direct'>, Ratio>>;

export interface Latencies extends Target {
  /** Microseconds. */
  readonly routes: Readonly<Record<Route, Distribution>>;
  readonly ratios: Ratios;
}

export interface Bulk extends Target {
  /** Nanoseconds for a datagram or a megabyte: what CPUs worked, and what passed. */
  readonly routes: Readonly<
    Record<Route, { readonly cpuNs: Distribution; readonly ns: Distribution }>
  >;
  /** More is worse, of both. */
  readonly cpuRatios: Ratios;
  readonly timeRatios: Ratios;
}

/** Connections or round trips of each way in each turn. */
const BLOCK = 100;
/** Turns of each way in a round of datagrams or megabytes, each with one measurement. */
const BULK_BLOCKS = 4;

export async function measureLatencies(
  cluster: NodePortCluster,
  kind: LatencyKind,
  { rounds, exchanges }: { readonly rounds: number; readonly exchanges: number },
  note: (text: string) => void,
): Promise<Latencies[]> {
  const block = Math.min(BLOCK, exchanges);
  const byArm = await inRounds(rounds, note, async (arms) => {
    const lines = await runClient(cluster, { kind, count: exchanges, block, arms });
    return lines.map((samples) => samples.map((ns) => Number(ns) / 1000));
  });
  return TARGETS.map((target) => {
    const rounds = roundsOf(byArm, target);
    return {
      ...target,
      routes: record((route) => distribution(rounds[route].flat())),
      ratios: ratios(rounds),
    };
  });
}

/** @param options `units` are those of each way in each round. */
export async function measureBulk(
  cluster: NodePortCluster,
  kind: BulkKind,
  { rounds, units }: { readonly rounds: number; readonly units: number },
  note: (text: string) => void,
): Promise<Bulk[]> {
  const byArm = await inRounds(rounds, note, async (arms) => {
    const block = Math.ceil(units / BULK_BLOCKS);
    const lines = await runClient(cluster, { kind, count: block * BULK_BLOCKS, block, arms });
    return lines.map((samples) => samples.map((sample) => perUnit(sample, block)));
  });
  return TARGETS.map((target) => {
    const rounds = roundsOf(byArm, target);
    const cpu = record((route) => rounds[route].map((round) => round.map(({ cpuNs }) => cpuNs)));
    const time = record((route) => rounds[route].map((round) => round.map(({ ns }) => ns)));
    return {
      ...target,
      routes: record((route) => ({
        cpuNs: distribution(cpu[route].flat()),
        ns: distribution(time[route].flat()),
      })),
      cpuRatios: ratios(cpu),
      timeRatios: ratios(time),
    };
  });
}

export interface Arm extends Target {
  readonly route: Route;
}

export interface ClientRun {
  readonly kind: LatencyKind | BulkKind;
  /** Connections, round trips, datagrams or megabytes, for each arm. */
  readonly count: number;
  readonly block: number;
  readonly arms: readonly Arm[];
  /** Has the kernel count the programs' runs meanwhile. */
  readonly countsPrograms?: boolean;
}

/** @returns what traffic-client.c printed of each arm. @throws Error when something was not answered. */
export async function runClient(
  cluster: NodePortCluster,
  { kind, count, block, arms, countsPrograms = false }: ClientRun,
): Promise<string[][]> {
  const { code, stdout, stderr } = await cluster.runClient([
    ...(countsPrograms ? ['--stats'] : []),
    `${CLIENT_CPU}`,
    kind,
    `${count}`,
    `${block}`,
    cluster.cpuFiles.join(),
    ...arms.map((arm) => describe(arm, SERVERS[kind])),
  ]);
  if (code !== 0) throw new Error(`the client ended with ${code}: ${stderr.trim()}`);
  const lines = stdout.trimEnd().split('\n');
  return lines.map((line) => line.split(' ').slice(1));
}

/** NAME,ADDRESS,PORT */
function describe({ family, place, route }: Arm, server: Server): string {
  const name = `${route}-${place}-${family}`;
  if (route === 'nodePort') return `${name},${NODE_ADDRESSES[family]},${nodePort(place, server)}`;
  const address = backendAddress(place, route === 'passed' ? 'served' : 'plain')[family];
  return `${name},${address},${targetPort(server)}`;
}

type ByArm<T> = readonly { readonly arm: Arm; readonly rounds: readonly T[][] }[];

/** Each round begins with another arm, and every other one goes backwards. */
async function inRounds<T>(
  rounds: number,
  note: (text: string) => void,
  run: (arms: readonly Arm[]) => Promise<T[][]>,
): Promise<ByArm<T>> {
  const arms = TARGETS.flatMap((target) => ROUTES.map((route): Arm => ({ ...target, route })));
  const byArm = arms.map((arm) => ({ arm, rounds: [] as T[][] }));
  for (let round = 0; round < rounds; round++) {
    note(`${round + 1} of ${rounds}`);
    const first = (round * ROUTES.length + (round >> 1)) % arms.length;
    const forth = [...arms.slice(first), ...arms.slice(0, first)];
    const turn = round % 2 === 0 ? forth : forth.toReversed();
    const samples = await run(turn);
    for (const [i, arm] of turn.entries()) {
      byArm.find((each) => each.arm === arm)?.rounds.push(samples[i] ?? []);
    }
  }
  return byArm;
}

function roundsOf<T>(byArm: ByArm<T>, target: Target): Record<Route, readonly T[][]> {
  return record((route) => {
    const wanted: Arm = { ...target, route };
    return byArm.find(({ arm }) => isDeepStrictEqual(arm, wanted))?.rounds ?? [];
  });
}

function ratios(rounds: Readonly<Record<Route, readonly number[][]>>): Ratios {
  const of = (route: Route): Ratio => {
    const medians = rounds[route].map(median);
    const direct = rounds.direct.map(median);
    const ofRounds = medians.map((value, round) => value / (direct[round] ?? Number.NaN));
    return {
      ofMedians: median(rounds[route].flat()) / median(rounds.direct.flat()),
      min: Math.min(...ofRounds),
      max: Math.max(...ofRounds),
    };
  };
  return { directAgain: of('directAgain'), passed: of('passed'), nodePort: of('nodePort') };
}

/** @param sample "CPU-NANOSECONDS/NANOSECONDS" */
function perUnit(sample: string, units: number): { readonly cpuNs: number; readonly ns: number } {
  const [cpuNs = Number.NaN, ns = Number.NaN] = sample.split('/').map(Number);
  return { cpuNs: cpuNs / units, ns: ns / units };
}

function record<T>(of: (route: Route) => T): Record<Route, T> {
  return Object.fromEntries(ROUTES.map((route) => [route, of(route)])) as Record<Route, T>;
}
