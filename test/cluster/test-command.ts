// SPDX-License-Identifier: Apache-2.0
// `npm run cluster -- test`: the end-to-end tests of e2e/, against the cluster of the inventory.

import { Command } from 'commander';
import { runEndToEnd } from './e2e/run.ts';
import { type InventoryFlags, inventoryOption } from './options.ts';

interface Flags extends InventoryFlags {
  readonly match?: readonly string[];
  readonly keep?: boolean;
}

export function testCommand(): Command {
  return new Command('test')
    .description('run the end-to-end tests against the cluster')
    .argument('[files...]', 'names of files in e2e/, without .e2e.ts (default: all)')
    .addOption(inventoryOption())
    .option('--match <pattern...>', 'only tests whose title matches one, as for AVA')
    .option('--keep', 'leave the clients that the tests share, for the next run')
    .action(run);
}

async function run(files: string[], { inventory, match = [], keep = false }: Flags) {
  process.exitCode = await runEndToEnd({ inventoryFile: inventory, files, match, keep });
}
