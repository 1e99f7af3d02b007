// SPDX-License-Identifier: Apache-2.0
// Layouts that must not change, for what they hold cannot be carried from one build's tables into another's.

import test from 'ava';
import { MAPS } from '../../../agent/sys/layout.gen.ts';
import { entriesFor } from '../../../agent/sys/table-sizes.ts';

const FROZEN = [
  {
    table: MAPS.socketServices,
    hash: 'a037341e',
    why: 'It is storage of sockets, which user space can only read and write socket by socket: sockets would be shown their backends, and connected UDP hears from nobody that its backend has left.',
  },
  {
    table: MAPS.dials,
    hash: '0a1bcc6e',
    why: 'Programs write it without a lock, and only they know whether an entry is whole: sockets would be shown their backends, and unconnected UDP would be led to others.',
  },
  {
    table: MAPS.servicePorts,
    hash: '4c7c2429',
    why: 'Both tables above hold its ids, and change their names with it.',
  },
] as const;

for (const { table, hash, why } of FROZEN) {
  test(`${table.name} is laid out as ever`, (t) => {
    t.is(
      table.layoutHash,
      hash,
      `The layout of ${table.name} has changed. ${why} So leave it as it is: put what is new into a table of its own, ` +
        'beside it, or use its padding. If it must change, an upgrade is no longer something that nobody notices: ' +
        'say so in docs/datapath.md and CHANGELOG.md, then put the new hash here.',
    );
  });
}

test('dials are as many as ever', (t) => {
  const counts = [1, 2, 4, 8, 64, 256].map((cpus) => entriesFor(MAPS.dials, cpus));
  t.deepEqual(
    counts,
    [4096, 4096, 8192, 16384, 65536, 65536],
    'a table of another size is a new one, and what is in this one cannot be carried into it',
  );
});
