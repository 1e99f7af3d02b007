// SPDX-License-Identifier: Apache-2.0
// `signalbox cleanup`: takes every trace of Signalbox off the node. Connections that are open stay open;
// new ones to service addresses are no longer served.

import { Command } from 'commander';
import { EnvironmentError } from '../errors.ts';
import { readNode } from '../sys/datapath.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import { removePacketPrograms } from '../sys/packet-programs.ts';
import { Pins } from '../sys/pins.ts';
import { findAgent, removeStatusSocket } from '../telemetry/status-socket.ts';
import { bpffsOption, requireRoot } from './options.ts';
import { releaseMasqueradePorts } from './release-ports.ts';

export function command(): Command {
  return new Command('cleanup')
    .description(
      'take every trace of Signalbox off the node: programs, tables, pins, reserved ports',
    )
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
  const pins = new Pins(bpffs);
  requireItsNamespace(pins);
  const removed = [
    ...removePacketPrograms(pins),
    ...releaseMasqueradePorts(pins),
    ...pins.removeAll(),
  ];
  removeStatusSocket(bpffs);
  console.log(
    removed.length ? removed.map((what) => `removed ${what}`).join('\n') : `nothing in ${bpffs}`,
  );
}

/** Filters on devices and reserved ports are a network namespace's own, and forgotten with the tables. */
function requireItsNamespace(pins: Pins): void {
  const cookie = readNode(pins)?.netnsCookie ?? 0n;
  if (cookie === 0n || cookie === netnsCookie()) return;
  throw new EnvironmentError(
    `the agent of ${pins.directory} was in another network namespace, where its programs are on devices and its ports reserved`,
    {
      hint: `run this in there (nsenter --net=FILE); if it is gone, rm -r ${pins.directory} does the rest`,
    },
  );
}
