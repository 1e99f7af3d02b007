// SPDX-License-Identifier: Apache-2.0
// docs/benchmark.md and its plot, from the run that test/bench/baseline.json holds. Without one there is neither.
// What draws is loaded when it is needed: it is large.

import { existsSync } from 'node:fs';
import path from 'node:path';
import type * as Files from '../../test/bench/report/files.ts';

const BASELINE = path.join(import.meta.dirname, '../../test/bench/baseline.json');

interface BenchmarkFile {
  readonly file: string;
  readonly text: () => Promise<string>;
}

export const BENCHMARK_FILES: readonly BenchmarkFile[] = existsSync(BASELINE)
  ? [
      {
        file: 'docs/benchmark.md',
        text: async () => (await load()).baselineDocument('benchmark.svg'),
      },
      { file: 'docs/benchmark.svg', text: async () => (await load()).baselinePlot() },
    ]
  : [];

function load(): Promise<typeof Files> {
  return import('../../test/bench/report/files.ts');
}
