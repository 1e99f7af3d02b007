// SPDX-License-Identifier: Apache-2.0
// How much silence of a watch is deafness.

import test from 'ava';
import { WatchSilence } from '../../../agent/cluster/watch-silence.ts';

const LIFE_MS = 330_000;
const LEAST_MS = 90_000;

test('without a bookmark: as long as it may last', (t) => {
  const silence = new WatchSilence(0, LIFE_MS, LEAST_MS);
  silence.heard(1000, false);
  silence.heard(2000, false);
  t.is(silence.limitMs, LIFE_MS);
});

test('with bookmarks: three of its pauses', (t) => {
  const silence = new WatchSilence(0, LIFE_MS, LEAST_MS);
  silence.heard(60_000, true);
  t.is(silence.limitMs, 180_000);
  silence.heard(61_000, false);
  t.is(silence.limitMs, 180_000, 'a busy minute says nothing of quiet ones');
});

test('never less than a bookmark needs, never longer than it may last', (t) => {
  const silence = new WatchSilence(0, LIFE_MS, LEAST_MS);
  silence.heard(1000, true);
  t.is(silence.limitMs, LEAST_MS);
  silence.heard(301_000, true);
  t.is(silence.limitMs, LIFE_MS);
});
