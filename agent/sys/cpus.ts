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
