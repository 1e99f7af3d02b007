// SPDX-License-Identifier: Apache-2.0
// From storing a change of one Service's endpoints in the API server to the first connection that lands on the new ones:
// one change at a time, and many of random Services at a steady rate.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  change,
  landingOf,
  millisecondsUntil,
  nameOf,
  randomService,
  type Subject,
  secondsBetween,
  spent,
  type WatchedChange,
} from './life-subject.ts';
import type { Change } from './result.ts';
import { distribution, median } from './statistics.ts';

/** One change that does not land by then is the end of the measurement. */
const LANDED_WITHIN_MS = 60_000;

export interface SingleChangesOptions {
  /** At most, at least one. */
  readonly count: number;
  /** No further one is begun after that. */
  readonly withinMs: number;
  /**
   * After a change has landed, before the next: until the proxy is done with all that it does after it, and may begin
   * at once. And as much again at random, so that nothing gets used to a rhythm.
   */
  readonly pauseMs: number;
}

export interface SteadyChangesOptions {
  readonly perSecond: number;
  readonly seconds: number;
  /** After the last one, for those that have not landed yet. */
  readonly waitMs: number;
  /** Until what follows the last landing is over, too: its CPU time counts. */
  readonly pauseMs: number;
}

interface Landed {
  readonly ms: number;
  /** undefined: it is pending. */
  readonly sinceTryMs: number | undefined;
  readonly wentBack: number;
  readonly failed: number;
}

/** With connections after a change had landed that nobody answered, for which {@link Change} has no place. */
export interface Changes {
  readonly change: Change;
  readonly failed: number;
}

/** One after the other. Wants the proxy to run, and to be done with all that there was. */
export async function measureSingleChanges(
  subject: Subject,
  { count, withinMs, pauseMs }: SingleChangesOptions,
): Promise<Changes> {
  const all: Landed[] = [];
  const next = async () => {
    const index = randomService(subject.services);
    if (index === undefined) throw new Error('there is no Service that could be changed');
    const one = await landed(await change(subject, index), LANDED_WITHIN_MS);
    await sleep(pauseMs * (1 + Math.random()));
    return one;
  };
  const untilMs = performance.now() + withinMs;
  // The first one finds caches cold, whichever proxy it is.
  await next();
  const pid = pidOf(subject);
  const before = await spent(subject, pid);
  do all.push(await next());
  while (all.length < count && performance.now() < untilMs);
  return summary(subject, 0, all, secondsBetween(before, await spent(subject, pid)));
}

/** Many at once. Wants the proxy to run, and to be done with all that there was. */
export async function measureSteadyChanges(
  subject: Subject,
  { perSecond, seconds, waitMs, pauseMs }: SteadyChangesOptions,
): Promise<Changes> {
  const pid = pidOf(subject);
  const before = await spent(subject, pid);
  const outstanding = new Set<number>();
  const results: Promise<Landed>[] = [];
  const endMs = seconds * 1000 + waitMs;
  const begunMs = performance.now();
  for (let i = 0; i < perSecond * seconds; i++) {
    await sleep(Math.max(0, begunMs + (i * 1000) / perSecond - performance.now()));
    const index = randomService(subject.services, outstanding);
    if (index === undefined) continue;
    outstanding.add(index);
    const withinMs = endMs - (performance.now() - begunMs);
    const result = change(subject, index)
      .then((one) => landed(one, withinMs))
      .finally(() => outstanding.delete(index));
    // Heard of below, once all are under way.
    result.catch(() => {});
    results.push(result);
  }
  const all = await Promise.all(results);
  await sleep(pauseMs);
  return summary(subject, perSecond, all, secondsBetween(before, await spent(subject, pid)));
}

async function landed(one: WatchedChange, withinMs: number): Promise<Landed> {
  const { watch, storedNs } = one;
  const landing = await landingOf(one, withinMs);
  const afterwards = await watch.settled;
  const { wentBack = 0, failed = 0 } = afterwards ?? {};
  if (landing) {
    const ms = millisecondsUntil(landing, storedNs);
    return { ms, sinceTryMs: landing.sinceTryNs / 1e6, wentBack, failed };
  }
  const ms = Number(process.hrtime.bigint() - storedNs) / 1e6;
  return { ms, sinceTryMs: undefined, wentBack, failed };
}

function summary(
  subject: Subject,
  perSecond: number,
  all: readonly Landed[],
  cpuSeconds: number,
): Changes {
  const sinceTryMs = all.flatMap((one) => one.sinceTryMs ?? []);
  const sum = (of: (one: Landed) => number) => all.reduce((total, one) => total + of(one), 0);
  return {
    change: {
      ...nameOf(subject),
      perSecond,
      landedMs: distribution(all.map(({ ms }) => ms)),
      triedEveryMs: sinceTryMs.length > 0 ? median(sinceTryMs) : 0,
      wentBack: sum(({ wentBack }) => wentBack),
      cpuMsPerChange: (cpuSeconds * 1000) / all.length,
      pending: all.length - sinceTryMs.length,
    },
    failed: sum(({ failed }) => failed),
  };
}

function pidOf({ proxy }: Subject): number {
  if (proxy.pid === undefined) throw new Error(`${proxy.label} does not run`);
  return proxy.pid;
}
