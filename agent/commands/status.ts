// SPDX-License-Identifier: Apache-2.0
// `signalbox status`: is it working, and if not, why. Asks the agent, and looks at the kernel itself, which
// goes on without the agent.

import { Command } from 'commander';
import { MESSAGES, type MessageId } from '../doctor/finding.ts';
import { judge } from '../doctor/judge.ts';
import { probe } from '../doctor/probe.ts';
import { messageOf } from '../errors.ts';
import { isDraining } from '../reconcile/draining.ts';
import { attachments, openTables } from '../sys/datapath.ts';
import type { Node } from '../sys/layout.gen.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import { openPacketTables } from '../sys/packet-tables.ts';
import { Pins } from '../sys/pins.ts';
import type { Status } from '../telemetry/status.ts';
import { fetchStatus, isListening } from '../telemetry/status-socket.ts';
import { deviceProblems, deviceStates } from './device-lines.ts';
import { countFrontends, frontendViews } from './kernel-view.ts';
import { bpffsOption, outputOption, requireRoot } from './options.ts';
import { readPacketStatus } from './packet-status.ts';
import { type KernelStatus, statusText } from './status-text.ts';

const NOT_RUNNING = 'is not running';
const SILENT = 'does not answer';
const DRAINING =
  'nothing new is served: signalbox cleanup --drain has begun (run it again to go on; start the agent to serve again)';

interface Options {
  readonly bpffs: string;
  readonly output: 'table' | 'json';
}

export function command(): Command {
  return new Command('status')
    .description('whether the datapath works, and if not, why (exit code 1)')
    .addOption(bpffsOption())
    .addOption(outputOption())
    .action(run);
}

async function run({ bpffs, output }: Options): Promise<void> {
  requireRoot();
  const agent = await fetchStatus(bpffs);
  const absence = agent || !(await isListening(bpffs)) ? NOT_RUNNING : SILENT;
  const kernel = await kernelStatus(bpffs);
  const problems = [
    ...(agent?.problems ?? [`the agent ${absence}`]),
    ...kernelProblems(kernel, agent, bpffs),
  ];
  const healthy = problems.length === 0;
  if (output === 'json') {
    console.log(JSON.stringify({ healthy, problems, agent, kernel }, undefined, 2));
  } else {
    console.log(statusText({ problems, agent, absence, kernel }, new Date()));
  }
  process.exitCode = healthy ? 0 : 1;
}

async function kernelStatus(bpffs: string): Promise<KernelStatus | string> {
  const pins = new Pins(bpffs);
  try {
    const tables = openTables(pins);
    const counts = countFrontends(frontendViews(tables));
    const slots = tables.slots.capacity;
    const devices = deviceStates(pins, tables);
    const packetTables = openPacketTables(pins);
    const node = tables.nodes.get(0);
    const packetPath = readPacketStatus(packetTables, node?.masqueradePortCount ?? 0);
    const warnings = await warningsOf(bpffs, node);
    packetTables.close();
    tables.close();
    return {
      programs: attachments(pins),
      ...counts,
      slots,
      isDraining: isDraining(node),
      devices,
      packetPath,
      hostWarnings: warnings,
    };
  } catch (error) {
    return messageOf(error);
  }
}

/** Of what `doctor` finds: what stops packets of Services while all else is well. */
const IN_THE_WAY: readonly MessageId[] = [
  'forwarding-off',
  'ports-not-reserved',
  'conntrack-nearly-full',
];

async function warningsOf(bpffs: string, node: Node | undefined): Promise<string[]> {
  if (node && node.netnsCookie !== netnsCookie()) {
    return [
      'this is another network namespace than the agent’s: devices are named as they are here',
    ];
  }
  return judge(await probe({ bpffs, cgroup: undefined, proc: '/proc', isTried: false }))
    .filter(({ id }) => IN_THE_WAY.includes(id))
    .map(({ id, found }) => `${MESSAGES[id].title}: ${found}. ${MESSAGES[id].cure}`);
}

function kernelProblems(
  kernel: KernelStatus | string,
  agent: Status | undefined,
  bpffs: string,
): string[] {
  if (typeof kernel === 'string') return [`no tables in ${bpffs}: ${kernel}`];
  return [
    ...(kernel.isDraining ? [DRAINING] : []),
    ...kernel.programs
      .filter(({ programId }) => programId === 0)
      .map(({ hook }) => `no program is attached to ${hook}`),
    ...deviceProblems(kernel.devices, agent?.devices),
  ];
}
