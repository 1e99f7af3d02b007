// SPDX-License-Identifier: Apache-2.0
// Vagrant's running machines as an inventory: how to reach them from `vagrant ssh-config`, their addresses in the
// cluster from the Vagrantfile's plan.

import { EnvironmentError } from '../../agent/errors.ts';
import { runCommand } from '../../scripts/command.ts';
import type { Inventory, Machine } from './inventory.ts';
import { vagrantAddress } from './network-plan.ts';

/** @throws EnvironmentError when Vagrant is not there, or has no machine that runs. */
export async function vagrantInventory(): Promise<Inventory> {
  const { ok, output } = await runCommand('vagrant', ['ssh-config']);
  const inventory = { machines: machinesOf(output) };
  if (inventory.machines.some(({ role }) => role === 'control-plane')) return inventory;
  throw new EnvironmentError(
    `vagrant ssh-config ${ok ? 'names no control plane' : 'failed'}: ${output.trim()}`,
    { hint: 'vagrant up makes the machines' },
  );
}

/** Options of ssh that an inventory has by itself. */
const KNOWN = ['HostName', 'Port', 'User', 'IdentityFile'];

/** Machines that do not run are told of on stderr, among the others: lines that are no option of a host. */
export function machinesOf(sshConfig: string): readonly Machine[] {
  return sshConfig
    .split(/^Host /m)
    .slice(1)
    .map(machineOf)
    .filter((machine) => machine !== undefined);
}

function machineOf(block: string): Machine | undefined {
  const [name = '', ...lines] = block.split('\n');
  if (!/^(cp|w\d+)$/.test(name.trim())) return undefined;
  const options = lines.flatMap((line) => {
    const [, key = '', value = ''] = line.match(/^ {2}(\w+) (.+)$/) ?? [];
    return key === '' ? [] : [{ key, value: value.replace(/^"(.*)"$/, '$1') }];
  });
  const option = (wanted: string) => options.find(({ key }) => key === wanted)?.value ?? '';
  return {
    name: name.trim(),
    role: name.trim() === 'cp' ? 'control-plane' : 'worker',
    address: vagrantAddress(name.trim()),
    ssh: {
      host: option('HostName'),
      port: Number(option('Port')),
      user: option('User'),
      identityFile: option('IdentityFile'),
      options: options
        .filter(({ key }) => !KNOWN.includes(key))
        .map(({ key, value }) => `${key}=${value}`),
    },
  };
}
