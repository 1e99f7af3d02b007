// SPDX-License-Identifier: Apache-2.0
// `npm run bench -- compare A B`: what changed from one run to another.

import { Command } from 'commander';
import { printTable } from '../../../agent/commands/table.ts';
import { type Comparison, compare, NOISE_RULE, worseOfSignalbox } from './compare.ts';
import { readResult } from './read-result.ts';

interface Options {
  readonly json?: true;
  readonly failOnWorse?: true;
}

const VERDICTS = { better: 'better', worse: 'WORSE', same: 'within noise' } as const;

export function compareCommand(): Command {
  return new Command('compare')
    .description('compare two runs, figure by figure')
    .argument('<a>', 'the JSON file of a run, or `baseline`: that of the repository')
    .argument('<b>', 'another one')
    .option('--json', 'print JSON')
    .option('--fail-on-worse', 'exit 1 when anything of Signalbox is worse in B, beyond noise')
    .addHelpText('after', `\nLess is better of every figure. ${NOISE_RULE}`)
    .action(run);
}

function run(a: string, b: string, { json, failOnWorse }: Options): void {
  const comparison = compare(readResult(a), readResult(b));
  if (json) console.log(JSON.stringify(comparison, undefined, 2));
  else print(comparison, a, b);
  if (failOnWorse && worseOfSignalbox(comparison).length > 0) process.exitCode = 1;
}

function print(comparison: Comparison, a: string, b: string): void {
  const { warnings, rows } = comparison;
  console.log(`A is ${a}, B is ${b}. Less is better.`);
  for (const warning of warnings) console.log(`! ${warning}`);
  printTable(
    ['FIGURE', 'WHO', 'A', 'B', 'CHANGE', 'BEYOND NOISE'],
    rows.map(({ what, who, aText, bText, changeText, verdict }) => [
      what,
      who,
      aText,
      bText,
      changeText,
      VERDICTS[verdict],
    ]),
  );
  const count = (wanted: string) => rows.filter(({ verdict }) => verdict === wanted).length;
  console.log(
    `${rows.length} figures in both: ${count('better')} better, ${count('worse')} worse (${worseOfSignalbox(comparison).length} of Signalbox), ${count('same')} within noise.`,
  );
  console.log(NOISE_RULE);
}
