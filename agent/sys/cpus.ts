// SPDX-License-Identifier: Apache-2.0
// How many CPUs the kernel has made room for: the measure of everything it keeps per CPU.

import { readFileSync } from 'node:fs';

/** Reads a CPU list such as `0-3,8` (Documentation/admin-guide/cputopology.rst) as the count that it needs. Pure. */
export function cpuCount(list: string): number {
  const last = list.trim().split(/[-,]/).at(-1);
  return Number(last) + 1;
}

export function possibleCpus(): number {
  return cpuCount(readFileSync('/sys/devices/system/cpu/possible', 'utf8'));
}

/** Bytes of a value of `size` that is kept for each of `cpus` CPUs: the kernel rounds each up to 8. Pure. */
export function perCpuSize(size: number, cpus: number): number {
  return Math.ceil(size / 8) * 8 * cpus;
}

/** Of a CPU list, how many it names. Pure. */
export function cpusNamed(list: string): number {
  let count = 0;
  for (const range of list.trim().split(',')) {
    const [first = 0, last = first] = range.split('-').map(Number);
    count += last - first + 1;
  }
  return count;
}

/** How many CPUs run now, whichever of them this process may use. */
export function onlineCpus(): number {
  return cpusNamed(readFileSync('/sys/devices/system/cpu/online', 'utf8'));
}
