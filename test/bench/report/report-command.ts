// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- report FILE`: the report of a run anew, from its figures alone.

import path from 'node:path';
import { Command } from 'commander';
import { ROOT } from '../../../scripts/command.ts';
import { writeReport } from './files.ts';
import { readResult } from './read-result.ts';
import { printSummary } from './terminal.ts';

export function reportCommand(): Command {
  return new Command('report')
    .description('write the report of a run anew; budgets are judged anew as well')
    .argument('<file>', 'the JSON file of a run, or `baseline`: that of the repository')
    .option('--report <directory>', 'where it goes (default: beside the file)')
    .action(run);
}

function run(file: string, { report }: { readonly report?: string }): void {
  const result = readResult(file);
  const isBaseline = file === 'baseline';
  const directory = report ?? (isBaseline ? path.join(ROOT, 'report') : path.dirname(file));
  const name = isBaseline ? 'baseline' : path.basename(file, '.json');
  printSummary(result, writeReport(result, directory, name));
}
