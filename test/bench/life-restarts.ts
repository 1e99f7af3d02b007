// SPDX-License-Identifier: Apache-2.0
// A proxy that is killed under load, misses a change, and is started again: what of the load fails, and how soon it has
// picked up what it missed.

import { setTimeout as sleep } from 'node:timers/promises';
import { LOAD_KINDS, type LoadCount, type LoadOptions, SteadyLoad } from './life-load.ts';
import {
  begin,
  change,
  expectationOf,
  landingOf,
  millisecondsUntil,
  nameOf,
  randomService,
  type Subject,
} from './life-subject.ts';
import type { Restart } from './result.ts';

/** Of Services that the load goes to. */
const MOST_TARGETS = 2_000;
const PICKED_UP_WITHIN_MS = 120_000;

export interface RestartOptions extends LoadOptions {
  /** Between what happens: traffic before, without a process, without it after the change, and once it is back. */
  readonly pauseMs: number;
}

export interface LoadedRestart {
  readonly restart: Restart;
  /** Of all exchanges that were answered, the one that took longest. */
  readonly longestMs: number;
}

/** Wants the proxy to run with everything in the kernel, and leaves it so. */
export async function measureRestart(
  subject: Subject,
  { pauseMs, ...load }: RestartOptions,
): Promise<LoadedRestart> {
  const { proxy, station, services, directory } = subject;
  const targets = Array.from({ length: Math.min(services.count, MOST_TARGETS) }, (_, index) =>
    expectationOf(services, index),
  );
  const traffic = await SteadyLoad.begin(station.client, directory, targets, load);
  let pickedUpMs: number;
  try {
    await sleep(pauseMs);
    pickedUpMs = await restart(subject, pauseMs);
    await proxy.programmed();
    await sleep(pauseMs);
  } catch (error) {
    await traffic.end();
    throw error;
  }
  const report = await traffic.end();
  const sum = (of: (count: LoadCount) => number) =>
    LOAD_KINDS.reduce((total, kind) => total + of(report[kind]), 0);
  return {
    restart: {
      ...nameOf(subject),
      exchanges: sum(({ exchanges, failed }) => exchanges + failed),
      failed: sum(({ failed }) => failed),
      pickedUpMs,
    },
    longestMs: report.longestMs,
  };
}

/** @returns from the start until what had changed meanwhile has landed. */
async function restart(subject: Subject, pauseMs: number): Promise<number> {
  const { proxy, services } = subject;
  await proxy.kill();
  await sleep(pauseMs);
  const index = randomService(services);
  if (index === undefined) throw new Error('there is no Service that could be changed');
  const missed = await change(subject, index);
  await sleep(pauseMs);
  const { atNs } = await begin(subject);
  const landing = await landingOf(missed, PICKED_UP_WITHIN_MS);
  if (!landing)
    throw new Error(`${proxy.label} did not pick up what had changed while it was away`);
  return millisecondsUntil(landing, atNs);
}
