// SPDX-License-Identifier: Apache-2.0
// What all that happens to a proxy over time is measured with: the proxy at work on its node, the Services that it is
// to serve, and who looks where they lead, from a pod of that node.

import { readFileSync } from 'node:fs';
import type { MemoryCgroup } from '../lab/memory-cgroup.ts';
import { until } from '../lab/until.ts';
import type { Expectation, Landing, Prober, Watch } from './prober.ts';
import { childCpuSeconds } from './process-usage.ts';
import type { ProxyName } from './result.ts';
import { SERVICE_PORT } from './service-objects.ts';
import type { BenchServices, ServiceProxy, Station } from './station.ts';

/** What spawn-inside.ts runs one after the other, in the process that becomes the program. */
const STARTERS = ['sh', 'dash', 'bash', 'nsenter'];

const RANDOM_PICKS = 20;

export interface Subject {
  /** Of {@link proxy}, which is no stand-in. */
  readonly station: Station;
  readonly proxy: ServiceProxy;
  readonly services: BenchServices;
  readonly prober: Prober;
  /** Counts the kernel memory of each process that {@link begin} starts; undefined where the kernel does not. */
  readonly counted: MemoryCgroup | undefined;
  /** For programs that measure. */
  readonly directory: string;
}

/** What a process has been given of CPU time, all threads and children that have ended. */
export interface Spent {
  readonly ownSeconds: number;
  readonly childSeconds: number;
}

/** What was put in place of what, and since when. */
export interface WatchedChange {
  /** CLOCK_MONOTONIC, right before the object was stored. */
  readonly storedNs: bigint;
  /** For anybody else than the endpoints that there were. */
  readonly watch: Watch;
  /** Who is to come. */
  readonly expected: readonly string[];
}

export function nameOf({ proxy, services }: Subject): { proxy: ProxyName; services: number } {
  return { proxy: proxy.name, services: services.count };
}

/** Where a Service is to lead now. */
export function expectationOf(services: BenchServices, index: number): Expectation {
  return {
    protocol: services.protocol(index),
    address: services.clusterIP(index),
    port: SERVICE_PORT,
    expected: services.backends(index),
  };
}

/** A TCP Service that is not among `without`; undefined when all are. */
export function randomService(
  services: BenchServices,
  without: ReadonlySet<number> = new Set(),
): number | undefined {
  const isFree = (index: number) => services.protocol(index) === 'TCP' && !without.has(index);
  for (let i = 0; i < RANDOM_PICKS && services.count > 0; i++) {
    const index = Math.floor(Math.random() * services.count);
    if (isFree(index)) return index;
  }
  // Hardly any is left.
  const free = Array.from({ length: services.count }, (_, index) => index).filter(isFree);
  return free[Math.floor(Math.random() * free.length)];
}

/** Replaces the endpoints of a Service in the API server, while connections to it are already tried. */
export async function change({ services, prober }: Subject, index: number): Promise<WatchedChange> {
  const { expected: left, ...target } = expectationOf(services, index);
  const watch = prober.watch({ ...target, left });
  await watch.begun;
  const storedNs = process.hrtime.bigint();
  const expected = services.replaceBackends(index);
  return { storedNs, watch, expected };
}

/**
 * Waits until it has landed.
 *
 * @returns undefined when it had not after `withinMs`, and is watched no more.
 * @throws Error when somebody else answers than those that were put in the old ones' place.
 */
export async function landingOf(
  { watch, expected }: WatchedChange,
  withinMs: number,
): Promise<Landing | undefined> {
  const timer = setTimeout(() => watch.giveUp(), withinMs);
  const landing = await watch.landed;
  clearTimeout(timer);
  if (landing && !expected.includes(landing.answeredBy))
    throw new Error(`${landing.answeredBy} answered in place of ${expected.join(', ')}`);
  return landing;
}

export function millisecondsUntil({ atNs }: Landing, sinceNs: bigint): number {
  return Number(atNs - sinceNs) / 1e6;
}

/** Starts the process. @returns its pid, and when that was: CLOCK_MONOTONIC, and in milliseconds since the epoch. */
export async function begin({
  proxy,
  counted,
}: Subject): Promise<{ pid: number; atNs: bigint; atMs: number }> {
  const [atNs, atMs] = [process.hrtime.bigint(), Date.now()];
  const pid = proxy.begin();
  if (pid === undefined) throw new Error(`${proxy.label} has no process that could be measured`);
  await addTo(counted, pid);
  return { pid, atNs, atMs };
}

export async function spent({ prober }: Subject, pid: number): Promise<Spent> {
  return { ownSeconds: await prober.cpuSeconds(pid), childSeconds: childCpuSeconds(pid) };
}

export function secondsBetween(before: Spent, after: Spent): number {
  return after.ownSeconds + after.childSeconds - before.ownSeconds - before.childSeconds;
}

/** Where cgroups are of v2, what starts the process moves it to the node's first: not before it is the program itself. */
async function addTo(counted: MemoryCgroup | undefined, pid: number): Promise<void> {
  if (!counted) return;
  await until(`process ${pid} is what it was started for`, () => !isStarter(pid));
  counted.add(pid);
}

function isStarter(pid: number): boolean {
  const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  return STARTERS.includes(name);
}
