// SPDX-License-Identifier: Apache-2.0
// What a proxy costs in memory, whichever it is: its process, and what the kernel has for it. All are run by
// the same steps, one after the other on one node with the same Services: what the kernel has is what it
// gives back when rules and tables are taken out after the process has ended, counted by a cgroup of its own.
// Not counted, for none: what the kernel allocates on nobody's account, such as buckets of growing hash tables,
// per-CPU counters of iptables' rules and compiled BPF programs.

import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryCgroup } from '../lab/memory-cgroup.ts';
import { type ResidentMemory, residentMemory } from './process-usage.ts';

/** A proxy under measurement. */
export interface MeasuredProxy {
  readonly name: string;
  /** Starts its process. @returns the pid, at once. */
  begin(): number;
  /** Until all Services are in the kernel. @returns since when, in milliseconds since the epoch. */
  programmed(): Promise<number>;
  /** Ends the process; what is in the kernel stays. */
  end(): Promise<void>;
  /** Takes out what is in the kernel. */
  cleanup(): Promise<void>;
}

export interface ProxyMemory extends ResidentMemory {
  readonly name: string;
  /** From starting the process to the last Service in the kernel. */
  readonly programmedMs: number;
  /** MiB; left out where the kernel does not count the memory of child cgroups. */
  readonly kernelMiB?: number;
}

/**
 * Wants nothing of the proxy in the kernel, and leaves nothing of it there.
 *
 * @param cgroup the name of the cgroup that counts, unique on the machine.
 * @param settleMs until a process that is done has given back what it only needed for the start.
 */
export async function measureProxy(
  proxy: MeasuredProxy,
  cgroup: string,
  settleMs: number,
): Promise<ProxyMemory> {
  const counted = MemoryCgroup.create(cgroup);
  try {
    const begunMs = Date.now();
    const pid = proxy.begin();
    counted?.add(pid);
    const programmedMs = (await proxy.programmed()) - begunMs;
    await sleep(settleMs);
    const resident = residentMemory(pid);
    await proxy.end();
    const before = await counted?.settledKernelBytes();
    await proxy.cleanup();
    const after = await counted?.settledKernelBytes();
    return {
      name: proxy.name,
      ...resident,
      programmedMs,
      ...(before !== undefined && after !== undefined && { kernelMiB: (before - after) / 2 ** 20 }),
    };
  } finally {
    await proxy.end();
    await counted?.remove();
  }
}
