// SPDX-License-Identifier: Apache-2.0
// Run before an agent (`node --import`) that a test measures from within: at SIGUSR2 it collects its garbage and says how
// large it is by then, and how late its timers were since the last time. The agent knows nothing of it.
//
// Whoever asks: gaugeEnv() for its environment, readGauge() for each answer.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import vm from 'node:vm';
import { until } from '../lab/until.ts';

const FILE_ENV = 'SIGNALBOX_GAUGE';
const RESOLUTION_MS = 2;

export interface ProcessGauge {
  /** Before anything was collected, and what of it V8 and its buffers had. */
  readonly rssBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  /** After all that could be was. */
  readonly heapBytes: number;
  /** How late a timer was, in milliseconds. */
  readonly delayP99Ms: number;
  readonly delayMostMs: number;
}

/** For a process that is to be measured, besides its own. @param file for its answers; of this process alone. */
export function gaugeEnv(file: string): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import=${pathToFileURL(import.meta.filename).href}`,
    [FILE_ENV]: file,
  };
}

/** @param pid of a process that has {@link gaugeEnv} with `file`. */
export async function readGauge(pid: number, file: string): Promise<ProcessGauge> {
  rmSync(file, { force: true });
  process.kill(pid, 'SIGUSR2');
  await until(`process ${pid} says how large it is`, () => existsSync(file), 30_000);
  return JSON.parse(readFileSync(file, 'utf8')) as ProcessGauge;
}

/** Collects garbage, here. @returns bytes of the heap that are in use afterwards. */
export function heapAfterCollection(): number {
  v8.setFlagsFromString('--expose-gc');
  const collect: (() => void) | undefined = vm.runInNewContext('globalThis.gc');
  v8.setFlagsFromString('--no-expose-gc');
  // What the first one leaves to finalizers, the second takes.
  collect?.();
  collect?.();
  return process.memoryUsage().heapUsed;
}

function answerIn(file: string): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  process.on('SIGUSR2', () => {
    const { rss, heapTotal, external } = process.memoryUsage();
    const gauge: ProcessGauge = {
      rssBytes: rss,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      delayP99Ms: ms(delay.percentile(99)),
      delayMostMs: ms(delay.max),
      heapBytes: heapAfterCollection(),
    };
    writeFileSync(`${file}.new`, JSON.stringify(gauge));
    renameSync(`${file}.new`, file);
    // Collecting is not what is measured.
    setImmediate(() => delay.reset());
  });
}

const file = process.env[FILE_ENV];
if (file !== undefined) answerIn(file);
