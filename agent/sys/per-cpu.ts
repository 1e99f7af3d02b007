// SPDX-License-Identifier: Apache-2.0
// Values that the kernel keeps once for each CPU: user space reads and writes those of all CPUs together.

import type { Codec } from './codec.ts';
import { perCpuSize } from './cpus.ts';

/** `each` for every one of `cpus` possible CPUs, in their order. */
export function perCpu<T>(each: Codec<T>, cpus: number): Codec<readonly T[]> {
  const stride = perCpuSize(each.size, 1);
  return {
    size: perCpuSize(each.size, cpus),
    write(view, at, values) {
      for (const [cpu, value] of values.entries()) each.write(view, at + cpu * stride, value);
    },
    read: (view, at) =>
      Array.from({ length: cpus }, (_, cpu) => each.read(view, at + cpu * stride)),
  };
}
