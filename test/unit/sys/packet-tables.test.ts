// SPDX-License-Identifier: Apache-2.0
// What all CPUs counted is summed, by name; tables are read in pieces between which others may write.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { possibleCpus } from '../../../agent/sys/cpus.ts';
import { KernelMap } from '../../../agent/sys/kernel-map.ts';
import { MAPS, PacketOutcome } from '../../../agent/sys/layout.gen.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { OUTCOMES, openPacketTables } from '../../../agent/sys/packet-tables.ts';
import { perCpu } from '../../../agent/sys/per-cpu.ts';
import { openRealTables, openSmallHash } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';

test('every outcome has its name at its number', (t) => {
  t.is(OUTCOMES.length, PacketOutcome.OUTCOMES);
  t.is(OUTCOMES[PacketOutcome.PASSED], 'passed');
  t.is(OUTCOMES[PacketOutcome.DROPPED_NO_ROUTE], 'dropped_no_route');
});

test('every outcome is in the documentation', (t) => {
  const text = readFileSync(
    path.join(import.meta.dirname, '../../../docs/packet-counters.md'),
    'utf8',
  );
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows.flatMap((row) => row.split(' | ')[0]?.match(/[a-z]\w+/g) ?? []);
  t.deepEqual(
    OUTCOMES.filter((outcome) => !documented.includes(outcome)),
    [],
  );
});

test('what each CPU counted is summed', (t) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  const tables = openPacketTables(pins);
  t.teardown(() => tables.close());
  t.deepEqual(
    [...tables.readCounts()],
    OUTCOMES.map((name): [string, number] => [name, 0]),
  );

  const cpus = possibleCpus();
  const { key, value } = MAPS.packetCounts;
  const raw = RawMap.openPin(pins.map(MAPS.packetCounts));
  const counts = new KernelMap(raw, { key, value: perCpu(value, cpus) });
  t.teardown(() => counts.close());
  // 2^40 on one CPU: more than 32 bits, and nothing of it among the others'.
  const ofCpus = Array.from({ length: cpus }, (_, i) => ({ packets: i ? BigInt(i) : 1n << 40n }));
  t.deepEqual(counts.put([[PacketOutcome.DROPPED_NO_ROUTE, ofCpus]]), []);
  t.deepEqual(counts.get(PacketOutcome.DROPPED_NO_ROUTE), ofCpus);
  const expected = 2 ** 40 + (cpus * (cpus - 1)) / 2;
  t.is(tables.readCounts().get('dropped_no_route'), expected);
  t.is(tables.readCounts().get('dropped_unallocated'), 0);
});

test('a table is read in pieces, and what was read may be deleted in between', (t) => {
  if (!requireRoot(t)) return;
  const map = openSmallHash(t, MAPS.servicePorts, 5000);
  const names = Array.from({ length: 5000 }, (_, id) => {
    const name = { namespaceName: 'default', serviceName: `s${id}`, portName: '', protocol: 6 };
    return [id, name] as const;
  });
  t.deepEqual(map.put(names), []);
  const read = new Map<number, string>();
  let pieces = 0;
  for (const piece of map.batches(1000)) {
    pieces++;
    t.true(piece.length <= 1000);
    for (const [id, { serviceName }] of piece) read.set(id, serviceName);
    t.deepEqual(map.delete(piece.map(([id]) => id)), []);
  }
  t.true(pieces >= 5);
  t.is(read.size, 5000);
  t.is(read.get(4711), 's4711');
  t.deepEqual(map.entries(), []);
});
