// SPDX-License-Identifier: Apache-2.0
// Arbitraries that are mostly as usual, and now and then odd. Shorthand for the random objects of this folder.

import fc from 'fast-check';

/** Mostly `usual`, now and then `odd`. */
export function often<T, U>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<U>): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

/** `weight` times as often as absent, and as null. */
export function maybe<T>(
  arbitrary: fc.Arbitrary<T>,
  weight = 3,
): fc.Arbitrary<T | null | undefined> {
  return fc.oneof(
    { weight, arbitrary },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

export function rarely(): fc.Arbitrary<boolean> {
  return fc.nat(11).map((n) => n === 11);
}

export function usually(): fc.Arbitrary<boolean> {
  return fc.nat(4).map((n) => n !== 4);
}
