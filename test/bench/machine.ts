// SPDX-License-Identifier: Apache-2.0
// On what a benchmark ran: figures without it say nothing.

import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface Machine {
  readonly kernel: string;
  readonly cpu: string;
  readonly cpus: number;
  /** undefined where the kernel does not choose the frequency, as in most virtual machines. */
  readonly governor?: string;
  readonly memoryMiB: number;
  readonly node: string;
  /** Of the last minute, before the benchmark: above 1, others worked too. */
  readonly load: number;
}

export function describeMachine(): Machine {
  const cpus = os.cpus();
  const governor = readGovernor();
  return {
    kernel: os.release(),
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cpus: cpus.length,
    ...(governor !== undefined && { governor }),
    memoryMiB: Math.round(os.totalmem() / 2 ** 20),
    node: process.version,
    load: os.loadavg()[0] ?? 0,
  };
}

function readGovernor(): string | undefined {
  try {
    const file = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor';
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
