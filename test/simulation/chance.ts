// SPDX-License-Identifier: Apache-2.0
// Chance that a seed repeats: mulberry32, which is small, and good enough for the order of things. Used by the
// simulation; what happens in it, fast-check draws.

export type Chance = () => number;

/** @returns numbers from 0 to 1, the same ones for the same seed. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
