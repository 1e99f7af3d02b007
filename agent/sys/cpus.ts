// SPDX-License-Identifier: Apache-2.0
// How many CPUs the kernel has made room for: the measure of everything it keeps per CPU.

import { readFileSync } from 'node:fs';
import { EnvironmentError } from '../errors.ts';

/** What a CPU list such as `0-3,8` names (Documentation/admin-guide/cputopology.rst). @throws EnvironmentError */
function cpuRanges(list: string): readonly (readonly [first: number, last: number])[] {
  const text = list.trim();
  const ranges = text.split(',').map((range): [number, number] => {
    const [, first, last = first] = range.match(/^(\d{1,6})(?:-(\d{1,6}))?$/) ?? [];
    return [Number(first), Number(last)];
  });
  if (ranges.every(([first, last]) => first <= last)) return ranges;
  throw new EnvironmentError(`${JSON.stringify(text.slice(0, 60))} is no list of CPUs`, {
    hint: 'see /sys/devices/system/cpu: the kernel has its own there',
  });
}

/** The count that a CPU list needs: of all up to the last. Pure. @throws EnvironmentError when it is none. */
export function cpuCount(list: string): number {
  return cpuRanges(list).reduce((count, [, last]) => Math.max(count, last + 1), 0);
}

export function possibleCpus(): number {
  return cpuCount(readFileSync('/sys/devices/system/cpu/possible', 'utf8'));
}

/** Bytes of a value of `size` that is kept for each of `cpus` CPUs: the kernel rounds each up to 8. Pure. */
export function perCpuSize(size: number, cpus: number): number {
  return Math.ceil(size / 8) * 8 * cpus;
}

/** Of a CPU list, how many it names. Pure. @throws EnvironmentError when it is none. */
export function cpusNamed(list: string): number {
  return cpuRanges(list).reduce((count, [first, last]) => count + last - first + 1, 0);
}

/** How many CPUs run now, whichever of them this process may use. */
export function onlineCpus(): number {
  return cpusNamed(readFileSync('/sys/devices/system/cpu/online', 'utf8'));
}
