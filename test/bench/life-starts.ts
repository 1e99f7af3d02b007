// SPDX-License-Identifier: Apache-2.0
// How long a proxy takes that is started with all Services in the API server, and how much CPU: a cold one, which finds
// nothing in the kernel, until connections to the last Service land on its endpoints; a warm one, which finds what it
// left there, until it says that it is ready.

import {
  begin,
  expectationOf,
  nameOf,
  type Spent,
  type Subject,
  secondsBetween,
  spent,
} from './life-subject.ts';
import type { Landing } from './prober.ts';
import type { Start } from './result.ts';
import type { BenchServices } from './station.ts';
import { distribution } from './statistics.ts';

/** Of which the last to land ends the start. A proxy that fills its tables bit by bit has a hundredth of it to hide in. */
const SAMPLE = 100;
/** All of them are connected to until they land: not so many that this takes the CPU from the start. */
const SAMPLED_AT_ONCE = 4;
const STARTED_WITHIN_MS = 180_000;
/** Once it is done every Service has to lead right. Time for tries that a busy machine did not answer soon enough. */
const PATIENCE_MS = 30_000;
const NOTHING: Spent = { ownSeconds: 0, childSeconds: 0 };

export interface StartOptions {
  /** At most, at least one. */
  readonly starts: number;
  /** No further one is begun after that. */
  readonly withinMs: number;
}

interface OneStart {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Leaves the last one running, with everything in the kernel. */
export async function measureColdStarts(subject: Subject, options: StartOptions): Promise<Start> {
  return repeat(subject, 'cold', options, coldStart);
}

/**
 * Wants its tables or rules to be in the kernel, and leaves the last one running.
 *
 * @param kind `small` where there are few Services.
 */
export async function measureWarmStarts(
  subject: Subject,
  kind: 'warm' | 'small',
  options: StartOptions,
): Promise<Start> {
  return repeat(subject, kind, options, warmStart);
}

/** First and last, and others at random, the last one first. Pure but for that. */
export function sampleOf(count: number, size = SAMPLE): number[] {
  const sample = new Set([count - 1, 0]);
  while (sample.size < Math.min(size, count)) sample.add(Math.floor(Math.random() * count));
  return [...sample].filter((index) => index >= 0);
}

/** @throws Error naming a Service that does not lead to its endpoints. */
export async function lookAtAll(
  { prober, services }: Pick<Subject, 'prober' | 'services'>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  await prober.look(expectations(services, allOf(services)), patienceMs);
}

async function repeat(
  subject: Subject,
  kind: Start['kind'],
  { starts: most, withinMs }: StartOptions,
  start: (subject: Subject) => Promise<OneStart>,
): Promise<Start> {
  const starts: OneStart[] = [];
  const untilMs = performance.now() + withinMs;
  do starts.push(await start(subject));
  while (starts.length < most && performance.now() < untilMs);
  return {
    ...nameOf(subject),
    kind,
    seconds: distribution(starts.map(({ seconds }) => seconds)),
    cpuSeconds: distribution(starts.map(({ cpuSeconds }) => cpuSeconds)),
  };
}

async function coldStart(subject: Subject): Promise<OneStart> {
  const { proxy, prober, services } = subject;
  await proxy.end();
  await proxy.cleanup();
  const { pid, atNs } = await begin(subject);
  const sample = expectations(services, sampleOf(services.count));
  const landings = await prober.look(sample, STARTED_WITHIN_MS, SAMPLED_AT_ONCE);
  const { ownSeconds } = await spent(subject, pid);
  await proxy.programmed();
  // What it has written by children is theirs until they have ended.
  const { childSeconds } = await spent(subject, pid);
  await lookAtAll(subject);
  return {
    seconds: Number(latest(landings) - atNs) / 1e9,
    cpuSeconds: secondsBetween(NOTHING, { ownSeconds, childSeconds }),
  };
}

async function warmStart(subject: Subject): Promise<OneStart> {
  const { proxy } = subject;
  await proxy.kill();
  const { pid, atMs } = await begin(subject);
  const readyAtMs = await proxy.programmed();
  return {
    seconds: (readyAtMs - atMs) / 1000,
    cpuSeconds: secondsBetween(NOTHING, await spent(subject, pid)),
  };
}

function expectations(services: BenchServices, indexes: readonly number[]) {
  return indexes.map((index) => expectationOf(services, index));
}

function allOf({ count }: BenchServices): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function latest(landings: readonly Landing[]): bigint {
  return landings.reduce((last, { atNs }) => (atNs > last ? atNs : last), 0n);
}
