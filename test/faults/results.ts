// SPDX-License-Identifier: Apache-2.0
// What record.ts keeps of a run of the tests of faults, and docs/faults.md shows.

import type { FaultLine } from './fault-test.ts';

export interface FaultResults {
  /** The day of the run. */
  readonly date: string;
  readonly kernel: string;
  readonly processors: number;
  /** In the order of the registry. */
  readonly lines: readonly FaultLine[];
}
