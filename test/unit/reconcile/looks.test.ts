// SPDX-License-Identifier: Apache-2.0
// Who asks for a look gets one that began afterwards, and no two go on at once.

import test from 'ava';
import { Looks } from '../../../agent/reconcile/looks.ts';

/** Looks that end when they are told to. */
function heldLooks() {
  const held: (() => void)[] = [];
  const looks = new Looks(() => new Promise((resolve) => held.push(resolve)));
  return { held, looks };
}

test('those who ask while one goes on share the next', async (t) => {
  const { held, looks } = heldLooks();
  const first = looks.look();
  const others = [looks.look(), looks.look(), looks.look()];
  t.is(held.length, 1);
  held[0]?.();
  await first;
  t.is(held.length, 2);
  const late = looks.look();
  held[1]?.();
  await Promise.all(others);
  t.is(held.length, 3);
  held[2]?.();
  await late;
  t.is(held.length, 3);
});

test('idle waits for what goes on and for what waits', async (t) => {
  const { held, looks } = heldLooks();
  await looks.idle();
  void looks.look();
  void looks.look();
  let isIdle = false;
  const idle = looks.idle().then(() => {
    isIdle = true;
  });
  held[0]?.();
  await new Promise(setImmediate);
  t.false(isIdle);
  held[1]?.();
  await idle;
  t.is(held.length, 2);
});
