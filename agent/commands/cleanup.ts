// SPDX-License-Identifier: Apache-2.0
// `signalbox cleanup`: takes every trace of Signalbox off the node. Connections that are open stay open;
// new ones to service addresses are no longer served.

import { Command } from 'commander';
import { EnvironmentError } from '../errors.ts';
import { Pins } from '../sys/pins.ts';
import { findAgent, removeStatusSocket } from '../telemetry/status-socket.ts';
import { bpffsOption, requireRoot } from './options.ts';

export function command(): Command {
  return new Command('cleanup')
    .description('take every trace of Signalbox off the node: programs, tables, pins')
    .addOption(bpffsOption())
    .action(run);
}

async function run({ bpffs }: { readonly bpffs: string }): Promise<void> {
  requireRoot();
  const agent = await findAgent(bpffs);
  if (agent !== undefined) {
    throw new EnvironmentError(`the agent (${agent}) is running and would put all of it back`, {
      hint: 'stop it first',
    });
  }
  const removed = new Pins(bpffs).removeAll();
  removeStatusSocket(bpffs);
  console.log(
    removed.length ? removed.map((pin) => `removed ${pin}`).join('\n') : `nothing in ${bpffs}`,
  );
}
