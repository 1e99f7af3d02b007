// SPDX-License-Identifier: Apache-2.0
// CPU lists of the kernel, and how large tables are made on machines with many CPUs.

import test from 'ava';
import { cpuCount, cpusNamed, onlineCpus, perCpuSize } from '../../../agent/sys/cpus.ts';
import { entriesFor } from '../../../agent/sys/datapath.ts';
import { MAPS } from '../../../agent/sys/layout.gen.ts';

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

test('an LRU grows with the CPUs, a hash does not', (t) => {
  const { frontends, udpBackends } = MAPS;
  t.is(entriesFor(udpBackends, 2), udpBackends.maxEntries);
  t.is(entriesFor(udpBackends, 128), 65_536);
  t.is(entriesFor(frontends, 128), frontends.maxEntries);
});

test('a value per CPU is rounded up for each of them', (t) => {
  t.deepEqual(
    [1, 8, 9, 16].map((size) => perCpuSize(size, 3)),
    [24, 24, 48, 48],
  );
});
