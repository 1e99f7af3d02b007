// SPDX-License-Identifier: Apache-2.0
// The bell between the watches and the loop.

import { getEventListeners } from 'node:events';
import test from 'ava';
import { Wakeup } from '../../../agent/reconcile/wakeup.ts';

const NEVER_MS = 2 ** 30;

test('a ring ends a wait; rings that nobody heard end the next one, once', async (t) => {
  const { signal } = new AbortController();
  const bell = new Wakeup();
  const waiting = bell.wait(NEVER_MS, signal);
  bell.ring();
  await waiting;
  bell.ring();
  bell.ring();
  await bell.wait(NEVER_MS, signal);
  let isOver = false;
  const next = bell.wait(NEVER_MS, signal).then(() => {
    isOver = true;
  });
  await new Promise(setImmediate);
  t.false(isOver);
  bell.ring();
  await next;
  t.deepEqual(getEventListeners(signal, 'abort'), []);
});

test('a wait ends when its time is over, and when it is told to', async (t) => {
  const stop = new AbortController();
  const bell = new Wakeup();
  await bell.wait(1, stop.signal);
  const waiting = bell.wait(NEVER_MS, stop.signal);
  stop.abort();
  await waiting;
  await bell.wait(NEVER_MS, stop.signal);
  t.deepEqual(getEventListeners(stop.signal, 'abort'), []);
});
