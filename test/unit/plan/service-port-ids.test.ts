// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { counterOf, ServicePortIds, SHARED_COUNTER } from '../../../agent/plan/service-port-ids.ts';

const MODULUS = 16_384;

function taken(ids: ServicePortIds, count: number): number[] {
  return Array.from({ length: count }, () => {
    const id = ids.next();
    ids.take(id);
    return id;
  });
}

test('ids begin at 1 and go up; one that is given back does not come again soon', (t) => {
  const ids = new ServicePortIds();
  t.deepEqual(taken(ids, 3), [1, 2, 3]);
  ids.release(3);
  ids.avoid(9);
  t.deepEqual(taken(ids, 2), [10, 11]);
});

test('no two that live share a counter, however many have come and gone', (t) => {
  const ids = new ServicePortIds();
  taken(ids, 100);
  for (let i = 0; i < 3 * MODULUS; i++) ids.release(ids.next());
  const later = taken(ids, 100);
  t.true(Number(later[0]) > 3 * MODULUS);
  const counters = new Set([...Array(100).keys()].map((i) => i + 1));
  for (const id of later) {
    t.false(counters.has(counterOf(id)));
    counters.add(counterOf(id));
  }
  t.false(counters.has(SHARED_COUNTER));
});

test('ids that a plan takes before any is in the tables differ in their counters too', (t) => {
  const ids = new ServicePortIds();
  const all = Array.from({ length: MODULUS + 10 }, () => ids.next());
  t.is(new Set(all).size, all.length);
  const own = all.map(counterOf).filter((counter) => counter !== SHARED_COUNTER);
  t.is(new Set(own).size, MODULUS - 1);
  t.is(own.length, MODULUS - 1);
});

test('whoever finds no counter left has the shared one, until one is free', (t) => {
  const ids = new ServicePortIds(4);
  t.deepEqual(taken(ids, 5), [1, 2, 3, MODULUS, 2 * MODULUS]);
  ids.release(2);
  t.deepEqual(taken(ids, 2), [MODULUS + 2, 3 * MODULUS]);
});

test('after the largest id comes the smallest that is free', (t) => {
  const ids = new ServicePortIds();
  for (const id of [1, 0xffffffff]) ids.take(id);
  t.is(ids.next(), 2);
  const largestShared = 0xffffffff - (MODULUS - 1);
  const full = new ServicePortIds(1);
  for (const id of [MODULUS, largestShared]) full.take(id);
  t.is(full.next(), 2 * MODULUS);
});
