// SPDX-License-Identifier: Apache-2.0
// `signalbox status`: is it working, and if not, why. Asks the agent, and looks at the kernel itself, which
// goes on without the agent.

import { Command } from 'commander';
import { MESSAGES } from '../doctor/finding.ts';
import { judgeSettings } from '../doctor/judge.ts';
import { probeSettings } from '../doctor/probe-settings.ts';
import { messageOf } from '../errors.ts';
import { isDraining } from '../reconcile/draining.ts';
import { attachments, openTables, type Tables } from '../sys/datapath.ts';
import type { Node } from '../sys/layout.gen.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import { openPacketTables, type PacketTables } from '../sys/packet-tables.ts';
import { Pins } from '../sys/pins.ts';
import type { Status } from '../telemetry/status.ts';
import { fetchStatus, isListening } from '../telemetry/status-socket.ts';
import { deviceProblems, deviceStates } from './device-lines.ts';
import { countFrontends, frontendViews } from './kernel-view.ts';
import { bpffsOption, outputOption, requireRoot } from './options.ts';
import { readPacketStatus } from './packet-status.ts';
import { type KernelStatus, statusText } from './status-text.ts';
import { say, sayJson } from './terminal.ts';

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
  const kernel = kernelStatus(bpffs);
  const problems = [
    ...(agent?.problems ?? [`the agent ${absence}`]),
    ...kernelProblems(kernel, agent, bpffs),
  ];
  const healthy = problems.length === 0;
  if (output === 'json') {
    sayJson({ healthy, problems, agent, kernel });
  } else {
    say(statusText({ problems, agent: agent ?? absence, kernel }, new Date()));
  }
  process.exitCode = healthy ? 0 : 1;
}

/** @returns text: why it cannot be read. */
function kernelStatus(bpffs: string): KernelStatus | string {
  const pins = new Pins(bpffs);
  let tables: Tables | undefined;
  let packetTables: PacketTables | undefined;
  try {
    tables = openTables(pins);
    packetTables = openPacketTables(pins);
    const node = tables.nodes.get(0);
    return {
      programs: attachments(pins),
      ...countFrontends(frontendViews(tables)),
      slots: tables.slots.capacity,
      isDraining: isDraining(node),
      devices: deviceStates(pins, tables),
      packetPath: readPacketStatus(packetTables, node?.masqueradePortCount ?? 0),
      hostWarnings: hostWarnings(tables, node),
    };
  } catch (error) {
    return messageOf(error);
  } finally {
    packetTables?.close();
    tables?.close();
  }
}

/** Of what `doctor` finds: what stops packets of Services while all else is well. */
function hostWarnings(tables: Tables, node: Node | undefined): string[] {
  if (node && node.netnsCookie !== netnsCookie()) {
    return [
      'this is another network namespace than the agent’s: devices are named as they are here',
    ];
  }
  return judgeSettings(probeSettings({ proc: '/proc', tables, node })).map(
    ({ id, found }) => `${MESSAGES[id].title}: ${found}. ${MESSAGES[id].cure}`,
  );
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
