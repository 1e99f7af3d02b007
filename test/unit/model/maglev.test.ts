// SPDX-License-Identifier: Apache-2.0
// Maglev tables: shares, what a change moves, and that every node and every release makes the same ones.

import test from 'ava';
import fc from 'fast-check';
import { hashNumbers, hashText } from '../../../agent/model/hash.ts';
import { maglevTable, maglevTableSize } from '../../../agent/model/maglev.ts';
import { type Backend, backendKey } from '../../../agent/model/service-port.ts';
import { address } from '../../helpers/objects.ts';

const newBackends = (count: number): Backend[] =>
  Array.from({ length: count }, (_, i) => ({
    address: address(`10.244.${i >> 8}.${i & 255}`),
    port: 8080,
  }));

/** The backend of each place. */
const placesOf = (backends: readonly Backend[], weights?: readonly number[]): string[] =>
  Array.from(maglevTable(backends, weights), (index) => backendKey(backends[index] as Backend));

function sharesOf(backends: readonly Backend[], weights?: readonly number[]): number[] {
  const shares = backends.map(() => 0);
  for (const index of maglevTable(backends, weights)) shares[index] = (shares[index] ?? 0) + 1;
  return shares;
}

test('a table has a hundred places for each backend, as long as that can be had', (t) => {
  t.deepEqual(
    [1, 2, 3, 5, 6, 10, 11, 20, 40, 81, 163, 327, 328, 655, 656, 65521].map(maglevTableSize),
    [
      251, 251, 509, 509, 1021, 1021, 2039, 2039, 4093, 8191, 16381, 32749, 65521, 65521, 65521,
      65521,
    ],
  );
});

test('sizes are primes: every step leads to every place', (t) => {
  for (const backends of [1, 3, 6, 11, 21, 41, 82, 164, 328]) {
    const size = maglevTableSize(backends);
    for (let divisor = 2; divisor * divisor <= size; divisor++) t.not(size % divisor, 0);
  }
});

// They change with the hash, the sizes and the order in which backends take places: then open connections that
// come in through another node than before go to another backend. Nodes of two releases must agree.
test('the tables of all releases are the same', (t) => {
  t.deepEqual(
    ['', '10.244.1.2 8080', '10.244.1.3 8080'].map((text) => hashText(text, 0)),
    [2872998923, 2131485972, 1744593179],
  );
  const table = maglevTable(newBackends(3));
  t.deepEqual(
    [...table.subarray(0, 24)],
    [1, 2, 2, 1, 1, 2, 2, 1, 2, 2, 1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 2, 2, 1, 2],
  );
  t.is(hashNumbers(table, 0), 3792480960);
  t.is(hashNumbers(maglevTable(newBackends(20)), 0), 1347757751);
  t.is(hashNumbers(maglevTable(newBackends(3), [1, 10, 100]), 0), 1728572965);
});

for (const count of [1, 2, 3, 7, 50, 300, 1000]) {
  test(`${count} backends have as many places each, but for one`, (t) => {
    const shares = sharesOf(newBackends(count));
    t.true(Math.max(...shares) - Math.min(...shares) <= 1);
  });
}

for (const weights of [
  [1, 2],
  [1, 10, 100],
  [100, 99, 1],
  [3, 3, 1, 1, 7],
  Array.from({ length: 40 }, (_, i) => 1 + (i % 5)),
]) {
  test(`shares by weight, to a place: ${weights}`, (t) => {
    const shares = sharesOf(newBackends(weights.length), weights);
    const size = shares.reduce((sum, share) => sum + share, 0);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [i, share] of shares.entries()) {
      const due = (size * (weights[i] ?? 0)) / total;
      t.true(Math.abs(share - due) <= Math.max(2, due * 0.02), `${share} of ${due}`);
    }
  });
}

test('proportions count, not numbers', (t) => {
  const backends = newBackends(4);
  t.deepEqual(placesOf(backends, [2, 4, 4, 10]), placesOf(backends, [1, 2, 2, 5]));
  t.deepEqual(placesOf(backends, [7, 7, 7, 7]), placesOf(backends));
});

test('who has no weight has no place', (t) => {
  t.is(sharesOf(newBackends(3), [1, 0, 1])[1], 0);
  t.throws(() => maglevTable(newBackends(2), [0, 0]), { instanceOf: RangeError });
});

/** How many places of backends that stay another one gets. */
function moved(before: readonly string[], after: readonly string[], changed: string): number {
  return before.filter((key, i) => key !== changed && after[i] !== changed && after[i] !== key)
    .length;
}

for (const count of [9, 50, 150, 1000]) {
  test(`of ${count} backends one goes: few places of the others move`, (t) => {
    const backends = newBackends(count);
    const before = placesOf(backends);
    for (const gone of [0, Math.floor(count / 2), count - 1]) {
      const after = placesOf(backends.filter((_, i) => i !== gone));
      t.is(after.length, before.length);
      const share = moved(before, after, backendKey(backends[gone] as Backend)) / before.length;
      t.true(share < 0.05, `${share}`);
    }
  });
}

test('another weight moves little but its own', (t) => {
  const backends = newBackends(8);
  const before = placesOf(backends, [4, 4, 4, 4, 4, 4, 4, 4]);
  const after = placesOf(backends, [4, 4, 4, 2, 4, 4, 4, 4]);
  const share = moved(before, after, backendKey(backends[3] as Backend)) / before.length;
  t.true(share < 0.05, `${share}`);
});

const sets = fc.uniqueArray(
  fc.record({
    host: fc.nat(255),
    port: fc.constantFrom(80, 8080),
    weight: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 1, maxLength: 12, selector: ({ host, port }) => `${host} ${port}` },
);

test('the order of the backends makes no difference', (t) => {
  fc.assert(
    fc.property(
      sets.chain((all) =>
        fc.tuple(
          fc.constant(all),
          fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
        ),
      ),
      ([all, other]) => {
        const [a, b] = [all, other].map((set) =>
          placesOf(
            set.map(({ host, port }) => ({ address: address(`10.0.0.${host}`), port })),
            set.map(({ weight }) => weight),
          ),
        );
        t.deepEqual(a, b);
      },
    ),
  );
});
