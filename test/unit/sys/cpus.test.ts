// SPDX-License-Identifier: Apache-2.0
// CPU lists of the kernel, and how large tables are made on machines with many CPUs.

import test from 'ava';
import { cpuCount, cpusNamed, onlineCpus, perCpuSize } from '../../../agent/sys/cpus.ts';
import { MAPS } from '../../../agent/sys/layout.gen.ts';
import { entriesFor } from '../../../agent/sys/table-sizes.ts';

for (const [list, count, named] of [
  ['0\n', 1, 1],
  ['0-3\n', 4, 4],
  ['0-3,8-127\n', 128, 124],
  ['0,2\n', 3, 2],
] as const) {
  test(`CPUs ${list.trim()}`, (t) => {
    t.is(cpuCount(list), count);
    t.is(cpusNamed(list), named);
  });
}

test('some CPU is online', (t) => {
  t.true(onlineCpus() >= 1);
});

test('what traffic fills grows with the CPUs, what Services fill does not', (t) => {
  const { dials, flows, frontends, udpBackends } = MAPS;
  const sizes = (spec: Parameters<typeof entriesFor>[0]) =>
    [1, 2, 3, 4, 7, 8, 32, 128, 256].map((cpus) => entriesFor(spec, cpus) / spec.maxEntries);
  t.deepEqual(sizes(udpBackends), [1, 1, 1, 2, 2, 4, 16, 16, 32]);
  t.deepEqual(sizes(dials), [1, 1, 1, 2, 2, 4, 16, 16, 16]);
  t.deepEqual(sizes(flows), [1, 1, 1, 2, 2, 4, 4, 4, 4]);
  t.deepEqual(new Set(sizes(frontends)), new Set([1]));
});

test('a value per CPU is rounded up for each of them', (t) => {
  t.deepEqual(
    [1, 8, 9, 16].map((size) => perCpuSize(size, 3)),
    [24, 24, 48, 48],
  );
});
