// SPDX-License-Identifier: Apache-2.0
// `npm run cluster -- inventory`: checks the file of machines, or writes it from what Vagrant runs.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { readInventory } from './inventory.ts';
import { type InventoryFlags, inventoryOption } from './options.ts';
import { vagrantInventory } from './vagrant.ts';

export function inventoryCommand(): Command {
  return new Command('inventory')
    .description('check the file of machines, and show them')
    .addOption(inventoryOption())
    .option('--vagrant', "write it first, from Vagrant's machines that run")
    .action(run);
}

async function run({ inventory: file, vagrant }: InventoryFlags & { vagrant?: true }) {
  if (vagrant) {
    const text = JSON.stringify(await vagrantInventory(), undefined, 2);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${text}\n`);
  }
  for (const { name, role, address, ssh } of readInventory(file).machines) {
    const addresses = `${address.ipv4} ${address.ipv6}`;
    console.log(`${name}  ${role}  ${addresses}  ${ssh.user}@${ssh.host}:${ssh.port}`);
  }
}
