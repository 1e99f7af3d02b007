#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// What the BPF programs cost, measured on this machine and compared with bpf/costs.json; --write records it
// there. Needs root. test/prog/costs.test.ts makes the same comparison.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { printTable } from '../agent/commands/table.ts';
import { MendableError } from '../agent/errors.ts';
import { buildBpf } from './build.ts';
import { ROOT } from './command.ts';
import { measureCosts } from './costs/measure.ts';
import { costProblems, formatCosts, type ProgramCosts } from './costs/program-costs.ts';

const FILE = path.join(ROOT, 'bpf/costs.json');

const USAGE = `Usage: node scripts/costs.ts [--write]

Builds the BPF programs, loads them and prints what the verifier found; exit 1 when that is above the
limits, or not what bpf/costs.json has for this kernel and compiler. Needs root.

  --write  record it in bpf/costs.json instead`;

const { values } = parseArgs({
  options: { write: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
});

try {
  if (values.help) console.log(USAGE);
  else main(values.write ?? false);
} catch (error) {
  if (!(error instanceof MendableError)) throw error;
  console.error(`costs: ${error.message}${error.hint ? `\n  ${error.hint}` : ''}`);
  process.exitCode = error.exitCode;
}

function main(isWriting: boolean): void {
  const { costs, loaded } = measureCosts(buildBpf());
  const { kernel, architecture, clang } = costs.measuredOn;
  console.log(`Linux ${kernel} ${architecture}, clang ${clang}\n`);
  printTable(
    ['PROGRAM', 'INSTRUCTIONS', 'VERIFIED', 'STACK', 'TRANSLATED', 'JITED', 'VERIFICATION'],
    loaded.map(({ name, translated, jited, verificationUs }) => {
      const [object = '', program = ''] = name.split(' ');
      const cost = costs.objects[object]?.[program];
      return [
        name,
        `${cost?.instructions}`,
        `${cost?.verified}`,
        `${cost?.stack.join('+')}`,
        `${translated}`,
        `${jited}`,
        `${verificationUs} us`,
      ];
    }),
  );
  if (isWriting) writeFileSync(FILE, formatCosts(costs));
  const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as ProgramCosts;
  const problems = costProblems(recorded, costs);
  for (const problem of problems) console.error(`\n${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
