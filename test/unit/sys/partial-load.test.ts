// SPDX-License-Identifier: Apache-2.0
// An agent is killed while libbpf makes its tables, which no call of its own comes between: some of the pins are there, in
// the order in which they are made. The next start has to find its way from each.

import { rmSync } from 'node:fs';
import test from 'ava';
import { openTables, PINNED_MAPS, Programs } from '../../../agent/sys/datapath.ts';
import { RawMap } from '../../../agent/sys/libbpf/map.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { openRealTables } from '../../helpers/real-tables.ts';
import { requireRoot } from '../../helpers/requirements.ts';
import { entryCounts, NO_ENTRIES } from '../../helpers/table-view.ts';

faultTest(test, 'partial-first-load', (t, report) => {
  if (!requireRoot(t)) return;
  const { pins } = openRealTables(t);
  const idAt = (pin: string) => {
    const map = RawMap.openPin(pin);
    map.close();
    return map.id;
  };
  const all = PINNED_MAPS.map((spec) => pins.map(spec));
  for (let there = all.length - 1; there >= 0; there--) {
    const inOrder = all.map((pin) => ({ pin, id: idAt(pin) })).sort((a, b) => a.id - b.id);
    for (const { pin } of inOrder.slice(there)) rmSync(pin);
    const kept = new Map(inOrder.slice(0, there).map(({ pin, id }) => [pin, id]));
    Programs.load(pins).close();
    t.deepEqual(pins.missingMaps(PINNED_MAPS), []);
    // What is there is taken over, not made anew.
    for (const [pin, id] of kept) t.is(idAt(pin), id, pin);
    const tables = openTables(pins);
    t.deepEqual(entryCounts(tables), NO_ENTRIES);
    t.true(tables.slots.capacity > 0);
    t.deepEqual(tables.slots.write([[0, { address: '::' as never, port: 1 }]]), []);
    tables.close();
  }
  report({ injections: all.length, failed: 0 });
});
