// SPDX-License-Identifier: Apache-2.0
// `npm run cluster -- down`: takes the cluster, and what was installed for it, off the machines. They stay.

import { Command } from 'commander';
import { ROOT } from '../../scripts/command.ts';
import { readInventory } from './inventory.ts';
import { type InventoryFlags, inventoryOption, minutesOption } from './options.ts';
import { copyTree } from './ssh.ts';
import { onAll, Steps, THERE } from './steps.ts';

interface Flags extends InventoryFlags {
  readonly timeout: number;
}

export function downCommand(): Command {
  return new Command('down')
    .description('take the cluster off the machines, with what `up` has installed')
    .addOption(inventoryOption())
    .addOption(minutesOption('for each machine', 30))
    .action(run);
}

async function run({ inventory: file, timeout }: Flags): Promise<void> {
  await onAll(readInventory(file), async (machine) => {
    const steps = new Steps(machine);
    await steps.run('files', async () => {
      const to = `${THERE}/tree`;
      await copyTree(machine, { from: ROOT, paths: ['deploy', 'test/cluster/provision'], to });
    });
    await steps.provision('remove', { timeoutS: timeout * 60 });
  });
}
