// SPDX-License-Identifier: Apache-2.0
// What a proxy costs the node once it has settled: the memory of its process, that of what it has in the kernel, and the
// CPU time that it takes while nothing happens. What the kernel has is what it gives back when tables and rules are taken
// out after the process has ended, as a cgroup of its own counts it: the same steps for every proxy. Not counted, for
// none: what the kernel allocates on nobody's account, such as buckets of growing hash tables, per-CPU counters of
// iptables' rules and compiled BPF programs.

import { setTimeout as sleep } from 'node:timers/promises';
import { nameOf, type Subject, secondsBetween, spent } from './life-subject.ts';
import { agentMemory, residentMemory } from './process-usage.ts';
import type { Cost } from './result.ts';

export interface CostOptions {
  /** Until a process that is done has given back what it only needed for the start. */
  readonly settleMs: number;
  readonly idleMs: number;
}

/** Of the process, with everything in the kernel. Nobody connects and nothing changes meanwhile. */
export async function measureProcess(
  subject: Subject,
  { settleMs, idleMs }: CostOptions,
): Promise<Omit<Cost, 'kernelMiB'>> {
  const { proxy } = subject;
  const { pid } = proxy;
  if (pid === undefined) throw new Error(`${proxy.label} does not run`);
  await sleep(settleMs);
  const [before, beforeMs] = [await spent(subject, pid), performance.now()];
  await sleep(idleMs);
  const [after, afterMs] = [await spent(subject, pid), performance.now()];
  const { rssMiB, peakRssMiB, anonymousMiB } = residentMemory(pid);
  const { tablesMiB, tablesKiB } = agentMemory(pid);
  const hasMaps = Object.keys(tablesKiB).length > 0;
  // Asked last: to answer takes memory and time.
  const heapMiB = await proxy.heapMiB();
  return {
    ...nameOf(subject),
    rssMiB,
    peakRssMiB,
    privateMiB: anonymousMiB,
    ...(heapMiB !== undefined && { heapMiB }),
    ...(hasMaps && { mapsMiB: tablesMiB }),
    idlePercent: (secondsBetween(before, after) / (afterMs - beforeMs)) * 1e5,
  };
}

/** Ends the process and takes out what is in the kernel. @returns how much that was; undefined where the kernel does not tell. */
export async function takeOut({ proxy, counted }: Subject): Promise<number | undefined> {
  await proxy.end();
  const before = await counted?.settledKernelBytes();
  await proxy.cleanup();
  const after = await counted?.settledKernelBytes();
  if (before === undefined || after === undefined) return undefined;
  return (before - after) / 2 ** 20;
}
