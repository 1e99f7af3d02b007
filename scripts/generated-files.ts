// SPDX-License-Identifier: Apache-2.0
// Every file of the tree that is made from another one, or has a section that is. A line here, and `npm run generate`
// writes it; the gate of `npm test` finds it out of date.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildBpf } from './build.ts';
import { DEPLOY_FILES } from './deploy/files.ts';
import { tableSizes } from './deploy/table-sizes.ts';
import { BENCHMARK_FILES } from './docs/benchmark.ts';
import { configurationTables } from './docs/configuration-tables.ts';
import { doctorMessages } from './docs/doctor-messages.ts';
import { FAULT_FILES } from './docs/faults.ts';
import { KERNEL_FILES } from './docs/kernels.ts';
import { metricTables } from './docs/metric-tables.ts';
import { Btf } from './layout/btf.ts';
import { emitLayout } from './layout/emit.ts';

const ROOT = path.join(import.meta.dirname, '..');

export interface GeneratedFile {
  /** From the root of the project. */
  readonly file: string;
  /** What is to stand there, all of it. */
  readonly text: () => string | Promise<string>;
}

export const GENERATED_FILES: readonly GeneratedFile[] = [
  {
    file: 'agent/sys/layout.gen.ts',
    text: () => emitLayout(...buildBpf().map(Btf.ofObject)),
  },
  ...DEPLOY_FILES,
  ...BENCHMARK_FILES,
  ...KERNEL_FILES,
  ...FAULT_FILES,
  {
    file: 'docs/capacity.md',
    text: () => withSection('docs/capacity.md', 'table-sizes', tableSizes()),
  },
  {
    file: 'docs/configuration.md',
    text: () => withSection('docs/configuration.md', 'configuration-tables', configurationTables()),
  },
  {
    file: 'docs/doctor.md',
    text: () => withSection('docs/doctor.md', 'doctor-messages', doctorMessages()),
  },
  {
    file: 'docs/metrics.md',
    text: () => withSection('docs/metrics.md', 'metric-tables', metricTables()),
  },
];

/**
 * A file as it is but for the section between `<!-- generated NAME -->` and `<!-- end NAME -->`.
 *
 * @throws when there is no such section.
 */
export function withSection(file: string, name: string, section: string): string {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const [begin, end] = [`<!-- generated ${name} -->`, `<!-- end ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no section ${begin} ... ${end}`);
  return `${text.slice(0, from + begin.length)}\n${section.trim()}\n${text.slice(to)}`;
}
