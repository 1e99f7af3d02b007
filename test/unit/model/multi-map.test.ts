// SPDX-License-Identifier: Apache-2.0
// Several values for a key, each once, in the order in which they came.

import test from 'ava';
import { MultiMap } from '../../../agent/model/multi-map.ts';

test('a key has none, one or several values', (t) => {
  const map = new MultiMap<string, string>();
  const all = () => ['a', 'b', 'c'].map((key) => map.get(key));
  t.deepEqual(all(), [[], [], []]);
  for (const entry of ['a1', 'b1', 'b2', 'a1', 'b1', 'b3', 'b3']) map.add(entry[0] ?? '', entry);
  t.deepEqual(all(), [['a1'], ['b1', 'b2', 'b3'], []]);
});
