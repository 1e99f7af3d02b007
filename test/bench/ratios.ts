// SPDX-License-Identifier: Apache-2.0
// How what was measured in rounds compares with direct, and how its values are spread. Pure.

import type { Ratio } from './result.ts';
import { median } from './statistics.ts';

/** Of the medians of all rounds together; the least and the greatest of any round's own. @throws RangeError without values */
export function ratioOfRounds(
  rounds: readonly (readonly number[])[],
  direct: readonly (readonly number[])[],
): Ratio {
  const directMedians = direct.map(median);
  const ofRounds = rounds.map((round, i) => median(round) / (directMedians[i] ?? Number.NaN));
  return {
    ofMedians: median(rounds.flat()) / median(direct.flat()),
    min: Math.min(...ofRounds),
    max: Math.max(...ofRounds),
  };
}

/** At 0, 1, 2 ... 100 %, between the two values next to it, linearly. @throws RangeError without values */
export function percentiles(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return Array.from({ length: 101 }, (_, percent) => {
    const at = ((sorted.length - 1) * percent) / 100;
    const low = sorted[Math.floor(at)];
    const high = sorted[Math.ceil(at)];
    if (low === undefined || high === undefined) throw new RangeError('no values');
    return low + (high - low) * (at - Math.floor(at));
  });
}
