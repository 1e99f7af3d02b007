// SPDX-License-Identifier: Apache-2.0
// What happens to proxies over time, one after the other and each by the same steps: starts, changes, a restart under
// load, and what one that has settled costs. Only the process of the one that is measured runs meanwhile.

import { MemoryCgroup } from '../lab/memory-cgroup.ts';
import { measureSingleChanges, measureSteadyChanges } from './life-changes.ts';
import { measureProcess, takeOut } from './life-costs.ts';
import { lifeNotes } from './life-notes.ts';
import { measureRestart } from './life-restarts.ts';
import { whileServedFirst } from './life-servers.ts';
import { measureColdStarts, measureWarmStarts } from './life-starts.ts';
import type { Subject } from './life-subject.ts';
import { Prober } from './prober.ts';
import type { Change, Cost, ProxyName, Restart, Start } from './result.ts';
import type { Bench, ServiceProxy, Station } from './station.ts';

export interface LifeOptions {
  /** Of each kind, at most. */
  readonly starts: number;
  /** One at a time, at most. */
  readonly changes: number;
  /** Then as many a second, for so many seconds. */
  readonly changesPerSecond: number;
  readonly changesSeconds: number;
  /** Of what is done again and again, for one proxy: no more is begun then. */
  readonly withinMs: number;
  /** Until Node and Go have given back what they needed for the start: V8 does so within ten seconds. */
  readonly settleMs: number;
  readonly idleMs: number;
}

export const LIFE: LifeOptions = {
  starts: 3,
  changes: 100,
  changesPerSecond: 50,
  changesSeconds: 10,
  withinMs: 18_000,
  settleMs: 10_000,
  idleMs: 5_000,
};

/** The same where there are few Services, in less time. */
export const FEW: LifeOptions = { ...LIFE, changes: 20, withinMs: 6_000, idleMs: 2_000 };

export interface Life {
  readonly starts: readonly Start[];
  readonly changes: readonly Change[];
  readonly restarts: readonly Restart[];
  readonly costs: readonly Cost[];
  readonly notes: readonly string[];
}

type Note = (text: string) => void;

/** For the rest that has not landed when changes end. */
const WAIT_MS = 25_000;
const COLD_STARTS_WITHIN_MS = 10_000;
const WARM_STARTS_WITHIN_MS = 4_000;
/** Of the restart before: else they would take more time than there is. */
const WARM_STARTS_BELOW_MS = 8_000;
/** What comes as late as that, but comes, has waited for a CPU. */
const LOAD = { perSecond: 100, open: 20, patienceSeconds: 60, pauseMs: 700 };
/** The reader is told. */
const LONG_MS = 1_000;
const SMALL_STARTS_WITHIN_MS = 5_000;

/**
 * kube-proxy waits a second between two passes (minSyncPeriod, its default), and works on after what it has written has
 * begun to serve: a single change is to find it at rest.
 */
const PAUSES_MS: Readonly<Record<ProxyName, number>> = {
  signalbox: 20,
  nftables: 2_000,
  iptables: 1_500,
};
/** Until the work that follows a landing is over. */
const SETTLED_MS = 2_000;

/**
 * Wants servers to answer at the address of every backend. Leaves no process running and nothing of any proxy in the
 * kernel, but for stand-ins, of which nothing is measured.
 */
export async function measureLife(
  bench: Bench,
  options: LifeOptions = LIFE,
  note: Note = () => {},
): Promise<Life> {
  const life = await measureEach(bench, note, (subject, say) => measureOne(subject, options, say));
  const notes = served(bench).flatMap(({ proxy }) => lifeNotes(proxy));
  return { ...life, notes: [...notes, ...life.notes] };
}

/** What of it tells most of a small cluster: cold starts, costs, single changes. Wants and leaves the same. */
export async function measureFew(
  bench: Bench,
  options: LifeOptions = FEW,
  note: Note = () => {},
): Promise<Life> {
  return measureEach(bench, note, async (subject, say) => {
    const { starts, cost, single, notes } = await measureBeginning(subject, options, say);
    noteFailed(subject, single.failed, notes);
    const costs = [await withKernelMemory(subject, cost, say)];
    return { starts, changes: [single.change], restarts: [], costs, notes };
  });
}

async function measureEach(
  bench: Bench,
  note: Note,
  measure: (subject: Subject, say: Note) => Promise<Life>,
): Promise<Life> {
  await endAll(bench);
  const lives: Life[] = [];
  for (const { station, proxy } of served(bench)) {
    if (proxy.isStandIn) continue;
    const say = (text: string) => note(`${proxy.label}: ${text}`);
    await withSubject(bench, station, proxy, async (subject) => {
      lives.push(await measure(subject, say));
    });
  }
  return {
    starts: lives.flatMap(({ starts }) => starts),
    changes: lives.flatMap(({ changes }) => changes),
    restarts: lives.flatMap(({ restarts }) => restarts),
    costs: lives.flatMap(({ costs }) => costs),
    notes: lives.flatMap(({ notes }) => notes),
  };
}

async function measureBeginning(subject: Subject, options: LifeOptions, say: Note) {
  const notes: string[] = [];
  say('cold starts');
  const { starts: most, changes: count, withinMs } = options;
  const cold = { starts: most, withinMs: COLD_STARTS_WITHIN_MS };
  const starts = [await measureColdStarts(subject, cold)];
  say('at rest');
  const cost = await measureProcess(subject, options);
  say('single changes');
  const pauseMs = PAUSES_MS[subject.proxy.name];
  const single = await measureSingleChanges(subject, { count, withinMs, pauseMs });
  return { starts, cost, single, notes };
}

function noteFailed({ proxy }: Subject, failed: number, notes: string[]): void {
  if (failed > 0)
    notes.push(`${proxy.label}: ${failed} connections right after a change had landed failed.`);
}

/** Ends the process and takes out what is in the kernel. */
async function withKernelMemory(
  subject: Subject,
  cost: Omit<Cost, 'kernelMiB'>,
  say: Note,
): Promise<Cost> {
  say('what the kernel has');
  const kernelMiB = await takeOut(subject);
  return { ...cost, ...(kernelMiB !== undefined && { kernelMiB }) };
}

async function measureOne(subject: Subject, options: LifeOptions, say: Note): Promise<Life> {
  const { proxy } = subject;
  const { starts, cost, single, notes } = await measureBeginning(subject, options, say);
  say(`${options.changesPerSecond} changes a second`);
  const many = await measureSteadyChanges(subject, {
    perSecond: options.changesPerSecond,
    seconds: options.changesSeconds,
    waitMs: WAIT_MS,
    pauseMs: SETTLED_MS,
  });
  noteFailed(subject, single.failed + many.failed, notes);
  say('a restart under load');
  await proxy.programmed();
  const { restart, longestMs } = await measureRestart(subject, LOAD);
  if (longestMs > LONG_MS)
    notes.push(
      `${proxy.label}: while it was started again under load, an answer took up to ${(longestMs / 1000).toFixed(1)} s: it, or what writes its rules, kept the CPUs.`,
    );
  if (restart.pickedUpMs < WARM_STARTS_BELOW_MS) {
    say('warm starts');
    const warm = { starts: options.starts, withinMs: WARM_STARTS_WITHIN_MS };
    starts.push(await measureWarmStarts(subject, 'warm', warm));
  } else {
    notes.push(`${proxy.label}: warm starts were left out, the restart had taken long enough.`);
  }
  return {
    starts,
    changes: [single.change, many.change],
    restarts: [restart],
    costs: [await withKernelMemory(subject, cost, say)],
    notes,
  };
}

/**
 * Warm starts with the few Services that there are. Wants all of them to be in the kernel; leaves no process running.
 */
export async function measureSmallStarts(
  bench: Bench,
  { starts: count }: Pick<LifeOptions, 'starts'> = LIFE,
  note: Note = () => {},
): Promise<Start[]> {
  await endAll(bench);
  const starts: Start[] = [];
  for (const { station, proxy } of served(bench)) {
    if (proxy.isStandIn) continue;
    note(proxy.label);
    await withSubject(bench, station, proxy, async (subject) => {
      const options = { starts: count, withinMs: SMALL_STARTS_WITHIN_MS };
      starts.push(await measureWarmStarts(subject, 'small', options));
    });
  }
  return starts;
}

function served({ stations }: Bench): { station: Station; proxy: ServiceProxy }[] {
  return stations.flatMap((station) => (station.proxy ? [{ station, proxy: station.proxy }] : []));
}

async function endAll(bench: Bench): Promise<void> {
  await Promise.all(served(bench).map(({ proxy }) => proxy.end()));
}

/** Ends the proxy's process afterwards. */
async function withSubject(
  { lab, services, directory }: Bench,
  station: Station,
  proxy: ServiceProxy,
  body: (subject: Subject) => Promise<void>,
): Promise<void> {
  const counted = MemoryCgroup.create(`${lab.id}-life-${proxy.name}`);
  const prober = new Prober(station.client, directory);
  try {
    const subject = { station, proxy, services, prober, counted, directory };
    await whileServedFirst(station, prober, () => body(subject));
  } finally {
    await prober.close();
    await proxy.end();
    await counted?.remove();
  }
}
