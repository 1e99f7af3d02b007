// SPDX-License-Identifier: Apache-2.0
// One run of the benchmark, from nothing to its result: a bench with all arms, latencies at each number of Services,
// everything else at the last, and at the first what tells of a small cluster. While connections are measured no proxy's process runs: what is in the kernel serves.

import { measureBulk } from './bulk.ts';
import { measureLatencies } from './latency.ts';
import { FEW, LIFE, type Life, measureFew, measureLife, measureSmallStarts } from './life.ts';
import { describeMachine } from './machine.ts';
import { measurePrograms } from './programs.ts';
import { budgetRows } from './report/budgets.ts';
import {
  type ArmName,
  type Bulk,
  type Family,
  LATENCY_KINDS,
  type Latency,
  type LatencyKind,
  type Path,
  type Program,
  RESULT_VERSION,
  type Result,
  type RunOptions,
  type Start,
} from './result.ts';
import { describeCommit } from './source.ts';
import { stage } from './stage.ts';
import { Stations } from './stations.ts';
import { Traffic } from './traffic.ts';

/** What can be left out, to look at the rest more often. */
export const PARTS = ['inside', 'outside', 'programs', 'life'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchmarkOptions extends RunOptions {
  readonly parts: readonly Part[];
  /** Direct is always among them. */
  readonly arms: readonly ArmName[];
  /** The binary; without one rules of the same shape stand in for it. */
  readonly kubeProxy: string | undefined;
}

/** Rounds of streams and datagrams: each takes some hundred times what a connection does. */
const BULK_ROUNDS = 5;
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const OUTSIDE_PATHS: readonly Path[] = ['nodePortLocal', 'nodePortRemote'];
/** Of a stream and of datagrams from a pod little is learned beyond what round trips tell. */
const OUTSIDE_KINDS: readonly LatencyKind[] = ['connection', 'roundTrip', 'firstDatagram'];

const NO_LIFE: Life = { starts: [], changes: [], restarts: [], costs: [], notes: [] };

interface Datapath {
  readonly latencies: Latency[];
  readonly streams: Bulk[];
  readonly smallStarts: Start[];
  programs: readonly Program[];
}

/** @throws EnvironmentError when the machine does not give what it takes. */
export async function runBenchmark(options: BenchmarkOptions): Promise<Result> {
  const begunMs = performance.now();
  const date = new Date().toISOString();
  const machine = describeMachine();
  const { kubeProxy, arms, endpoints, services, rounds, exchanges } = options;
  const few = await measureFewServices(options);
  const bench = await stage('nodes, pods, API server', () =>
    Stations.start({ kubeProxy, arms, endpoints }),
  );
  const close = () => stage('everything is taken away again', () => bench.close());
  let result: Omit<Result, 'budgets'>;
  try {
    const traffic = await Traffic.start(bench);
    const datapath = await measureDatapath(bench, traffic, options);
    const life = await measureLifeOf(bench, options);
    result = {
      version: RESULT_VERSION,
      date,
      machine,
      ...describeCommit(),
      tookSeconds: (performance.now() - begunMs) / 1000,
      options: { services, endpoints, rounds, exchanges },
      arms: bench.arms,
      latencies: datapath.latencies,
      streams: datapath.streams,
      starts: [...datapath.smallStarts, ...few.starts, ...life.starts],
      changes: [...few.changes, ...life.changes],
      restarts: life.restarts,
      costs: [...few.costs, ...life.costs],
      programs: datapath.programs,
      notes: [...bench.notes, ...traffic.notes, ...life.notes, ...few.notes],
    };
  } catch (error) {
    // What went wrong first is told, whatever comes of the rest.
    await close().catch((problem: unknown) => console.error(problem));
    throw error;
  }
  // What was measured is not lost for something that is left; the next run takes that away.
  await close().catch((problem: unknown) => {
    console.error(problem);
    process.exitCode = 1;
  });
  return { ...result, budgets: budgetRows(result) };
}

/**
 * At the first size, where there are others. On nodes of its own: whoever dials a Service that has no rules yet leaves a
 * connection without translation in conntrack, which a later one by the same port would be taken for.
 */
async function measureFewServices(options: BenchmarkOptions): Promise<Life> {
  const { kubeProxy, arms, endpoints, services, parts } = options;
  const [first] = services;
  if (first === undefined || services.length === 1 || !parts.includes('life')) return NO_LIFE;
  await using bench = await Stations.start({ kubeProxy, arms, endpoints });
  await Traffic.start(bench);
  await bench.services.growTo(first);
  return await stage(`starts, changes, memory with ${first}`, (note) =>
    measureFew(bench, FEW, note),
  );
}

async function measureDatapath(
  bench: Stations,
  traffic: Traffic,
  options: BenchmarkOptions,
): Promise<Datapath> {
  const { services: sizes, parts } = options;
  const measured: Datapath = {
    latencies: [],
    streams: [],
    smallStarts: [],
    programs: [],
  };
  for (const [i, size] of sizes.entries()) {
    await stage(`${size} Services, for each proxy`, async (note) => {
      await bench.services.growTo(size);
      await bench.programAll({ end: true }, note);
    });
    if (parts.includes('inside')) await measureInside(traffic, options, measured);
    if (i === 0 && parts.includes('life')) {
      measured.smallStarts.push(
        ...(await stage('starts with few Services', (note) =>
          measureSmallStarts(bench, LIFE, note),
        )),
      );
    }
  }
  if (parts.includes('outside')) await measureOutside(traffic, options, measured);
  if (parts.includes('programs')) {
    measured.programs = await stage('runs of each program', (note) =>
      measurePrograms(traffic, note),
    );
  }
  return measured;
}

async function measureInside(
  traffic: Traffic,
  { rounds, exchanges }: RunOptions,
  { latencies }: Datapath,
): Promise<void> {
  await stage('latencies of a pod', async (note) => {
    for (const kind of LATENCY_KINDS) {
      const options = { kind, path: 'clusterIP', rounds, exchanges } as const;
      latencies.push(await measureLatencies(traffic, options, (text) => note(`${kind}, ${text}`)));
    }
  });
}

async function measureOutside(
  traffic: Traffic,
  { rounds, exchanges }: RunOptions,
  { latencies, streams }: Datapath,
): Promise<void> {
  const targets = OUTSIDE_PATHS.flatMap((path) => FAMILIES.map((family) => ({ path, family })));
  await stage('latencies from outside', async (note) => {
    for (const kind of OUTSIDE_KINDS) {
      for (const target of targets) {
        const options = { ...target, kind, rounds, exchanges };
        const where = `${kind}, ${target.path}, ${target.family}`;
        latencies.push(
          await measureLatencies(traffic, options, (text) => note(`${where}, ${text}`)),
        );
      }
    }
  });
  await stage('streams and datagrams', async (note) => {
    for (const kind of ['stream', 'datagrams'] as const) {
      for (const target of [{ path: 'clusterIP', family: 'ipv4' } as const, ...targets]) {
        if (kind === 'datagrams' && target.path === 'clusterIP') continue;
        const where = `${kind}, ${target.path}, ${target.family}`;
        const options = { ...target, kind, rounds: BULK_ROUNDS };
        streams.push(await measureBulk(traffic, options, (text) => note(`${where}, ${text}`)));
      }
    }
  });
}

async function measureLifeOf(bench: Stations, { parts }: BenchmarkOptions): Promise<Life> {
  if (parts.includes('life')) {
    return stage('starts, changes, restarts, memory', (note) => measureLife(bench, LIFE, note));
  }
  return NO_LIFE;
}
