#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// All that can be said about the tree without running it.

import { parseArgs } from 'node:util';
import { GATES } from './checks/gates.ts';
import { runGates } from './checks/run-gates.ts';

const USAGE = `Usage: npm run check [-- --only GATE]...

Checks the tree without running it: one line for each gate, and where one fails, why and the command
that shows it again.

  --only GATE  only this one; may be given more than once

Gates: ${GATES.map((gate) => gate.name).join(' | ')}`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
  },
});
const unknown = values.only?.filter((name) => !GATES.some((gate) => gate.name === name)) ?? [];

if (values.help) {
  console.log(USAGE);
} else if (unknown.length > 0) {
  console.error(`There is no gate ${unknown.join(', ')}.\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  const gates = GATES.filter((gate) => values.only?.includes(gate.name) ?? true);
  const failed = await runGates(gates);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
