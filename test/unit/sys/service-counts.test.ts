// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { perCpuSize, possibleCpus } from '../../../agent/sys/cpus.ts';
import { KernelMap } from '../../../agent/sys/kernel-map.ts';
import { MAPS, serviceCount } from '../../../agent/sys/layout.gen.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { perCpu } from '../../../agent/sys/per-cpu.ts';
import { counterEntries, ServiceCounts } from '../../../agent/sys/service-counts.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

test('counters of all CPUs together take 8 MiB at most', (t) => {
  t.deepEqual([1, 32, 64, 128].map(counterEntries), [16_384, 16_384, 8192, 4096]);
  t.is(perCpuSize(serviceCount.size, 128) * counterEntries(128), 8 * 1024 * 1024);
});

test('counts are summed over all CPUs, wrap around, and are cleared one by one', (t) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  const counts = ServiceCounts.open(pins);
  t.teardown(() => counts.close());
  const value = perCpu(serviceCount, possibleCpus());
  const raw = RawMap.openPin(pins.map(MAPS.serviceCounts));
  const map = new KernelMap(raw, { key: MAPS.serviceCounts.key, value });
  t.teardown(() => map.close());
  const onEach = (connections: number, refusals: number) =>
    Array.from({ length: possibleCpus() }, (_, cpu) => ({
      socketConnections: cpu === 0 ? connections : 0,
      socketRefusals: refusals,
      packetConnections: cpu === 0 ? 1 : 0xffffffff,
      packetRefusals: 0,
    }));
  map.put([
    [0, onEach(5, 0)],
    [3, onEach(7, 2)],
    [16_383, onEach(9, 0)],
  ]);
  const cpus = possibleCpus();
  const wrapped = (1 - (cpus - 1)) >>> 0;
  const read = (end: number, size: number) =>
    Object.fromEntries(
      [...readAll(counts, end, size)].filter(([, sums]) => sums.some((sum) => sum > 0)),
    );
  t.deepEqual(read(counts.capacity, 1000), {
    0: [5, 0, wrapped, 0],
    3: [7, 2 * cpus, wrapped, 0],
    16383: [9, 0, wrapped, 0],
  });
  t.deepEqual(read(4, 2), { 0: [5, 0, wrapped, 0], 3: [7, 2 * cpus, wrapped, 0] });
  counts.clear([3, 16_383, 1_000_000]);
  t.deepEqual(read(counts.capacity, 5000), { 0: [5, 0, wrapped, 0] });
});

function* readAll(
  counts: ServiceCounts,
  end: number,
  size: number,
): Generator<[counter: number, sums: number[]]> {
  for (const { first, sums } of counts.read(end, size)) {
    for (let i = 0; i < sums.length; i += 4) yield [first + i / 4, [...sums.subarray(i, i + 4)]];
  }
}
