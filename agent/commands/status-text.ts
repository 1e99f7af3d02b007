// SPDX-License-Identifier: Apache-2.0
// The screen of `signalbox status`: the answer first, then what it rests on, the kernel's side and the agent's. Pure.

import { nearlyFullText } from '../model/table-sizes.ts';
import { printable } from '../printable.ts';
import type { Attachment } from '../sys/datapath.ts';
import type { TableFill } from '../telemetry/metrics.ts';
import type { Status } from '../telemetry/status.ts';
import { type DeviceState, deviceLines } from './device-lines.ts';
import { formatDuration } from './duration.ts';
import type { FrontendCounts } from './kernel-view.ts';
import { kubeProxyLines } from './kube-proxy-lines.ts';
import { type PacketStatus, packetStatusLines } from './packet-status.ts';

/** What the kernel holds, agent or not. */
export interface KernelStatus extends FrontendCounts {
  readonly programs: readonly Attachment[];
  readonly slots: number;
  /** What is new is left to another proxy. */
  readonly isDraining: boolean;
  readonly devices: readonly DeviceState[];
  /** Connections from outside, and what became of packets. */
  readonly packetPath: PacketStatus;
  /** Settings of the host that are in the way of packets from outside. */
  readonly hostWarnings: readonly string[];
}

export interface StatusView {
  /** Empty: healthy. */
  readonly problems: readonly string[];
  /** Text: what is the matter with one that did not answer. */
  readonly agent: Status | string;
  /** Text: why its tables cannot be read. */
  readonly kernel: KernelStatus | string;
}

/** Of what there may be thousands, so many are shown. */
const SHOWN = 12;

export function statusText({ problems, agent, kernel }: StatusView, now: Date): string {
  return [
    ...verdict(problems),
    ...(typeof kernel === 'string'
      ? []
      : kernelLines(kernel, typeof agent === 'string' ? undefined : agent)),
    ...(typeof agent === 'string' ? absentLines(agent, kernel) : agentLines(agent, now)),
  ].join('\n');
}

function verdict(problems: readonly string[]): string[] {
  if (problems.length === 0) return ['Healthy.'];
  return [
    'Not healthy:',
    ...shortened(problems).map((problem) => `  - ${printable(problem)}`),
    'What to do, by symptom: docs/troubleshooting.md; what this node allows, with cures: signalbox doctor',
  ];
}

function kernelLines(kernel: KernelStatus, agent: Status | undefined): string[] {
  const attached = kernel.programs.flatMap(({ hook, programId }) => (programId ? hook : []));
  const { frontends, rejecting, dropping, backends } = kernel;
  return [
    '',
    line(
      'Kernel',
      `${frontends} frontends, ${rejecting} of them reject, ${dropping} drop; ${backends} backends`,
    ),
    line('Tables', tablesText(agent?.tables, kernel.slots)),
    line('Programs', attached.join(' ') || 'none'),
    ...list('Devices', deviceLines(kernel.devices, agent?.devices)),
    ...packetStatusLines(kernel.packetPath).map(([label, text]) => line(label, text)),
    ...[...kernel.hostWarnings, ...fullTables(kernel, agent?.tables ?? [])].map((text) =>
      line('Warning', text),
    ),
  ];
}

function tablesText(tables: readonly TableFill[] | undefined, slots: number): string {
  if (!tables?.length) return `${slots} slots`;
  return tables
    .map(({ table, entries, capacity }) => `${table} ${entries} of ${capacity}`)
    .join(', ');
}

function fullTables({ packetPath }: KernelStatus, tables: readonly TableFill[]): string[] {
  const { entries, capacity } = packetPath;
  return [...tables, { table: 'flows', entries, capacity }].flatMap((fill) => {
    const text = nearlyFullText(fill);
    return text === undefined ? [] : `a table is nearly full: ${text} (docs/capacity.md)`;
  });
}

/** @param absence what is the matter with the agent. */
function absentLines(absence: string, kernel: KernelStatus | string): string[] {
  const serves =
    typeof kernel === 'string'
      ? 'no Service is served'
      : 'the kernel goes on with what it has, changes wait';
  return ['', line('Agent', `${absence}: ${serves}`)];
}

function agentLines(agent: Status, now: Date): string[] {
  const ago = (at: string) => formatDuration(Math.max(0, (now.getTime() - Date.parse(at)) / 1000));
  const { objects, source } = agent;
  return [
    '',
    line(
      'Agent',
      `${agent.version}, pid ${agent.pid}, node ${agent.node}, for ${ago(agent.startedAt)}; self-test ${agent.selfTest}`,
    ),
    line(
      'Objects',
      `${objects.services} Services, ${objects.endpointSlices} EndpointSlices from ${source}`,
    ),
    ...agent.watches.map(({ kind, phase, lastContact, lastError }) => {
      const why = phase === 'unavailable' ? ` (${lastError})` : '';
      const heard = lastContact ? `, last heard of ${ago(lastContact)} ago` : '';
      return line('', `${kind}: ${phase}${why}${heard}`);
    }),
    ...changeLines(agent, ago),
    line('Health', healthText(agent)),
    line('Metrics', serverText(agent.servers, 'metrics', 'served')),
    line('Cgroup', agent.cgroup),
    ...(agent.warnings ?? []).map((text) => line('Warning', text)),
    ...list('kube-proxy', kubeProxyLines(agent.kubeProxy)),
    ...list(
      'Skipped',
      shortened(agent.skipped.map(({ object, reason }) => `${object}: ${reason}`)),
    ),
    ...list(
      'Conflicts',
      shortened(
        agent.conflicts.map(
          ({ frontend, owner, others }) =>
            `${frontend} goes to ${owner}, not to ${others.join(', ')}`,
        ),
      ),
    ),
  ];
}

/** How long it takes from a change to the tables. */
function changeLines({ latency, lastPass }: Status, ago: (at: string) => string): string[] {
  const of = latency && (latency.changes === 1 ? 'the last one' : `the last ${latency.changes}`);
  return list('Changes', [
    ...(latency
      ? [`programmed within ${ms(latency.p50Ms)} (p50), ${ms(latency.p99Ms)} (p99) of ${of}`]
      : []),
    ...(lastPass
      ? [
          `last: ${lastPass.services} Services, ${lastPass.writes} writes in ${ms(lastPass.durationMs)}, ${ago(lastPass.at)} ago`,
        ]
      : []),
  ]);
}

/** As load balancers hear it. */
function healthText({ health: { isHealthy, isNodeEligible }, servers }: Status): string {
  const what = '/healthz and /livez';
  if (!isHealthy)
    return serverText(
      servers,
      what,
      '/healthz and /livez answer 503',
      ': changes wait to be programmed',
    );
  if (!isNodeEligible) {
    const why = ': the node is to be removed, or the API server does not know it';
    return serverText(servers, what, '/healthz answers 503', why);
  }
  return serverText(servers, what, '/healthz and /livez answer 200');
}

/** Of a server: where it is, or that it is not. */
function serverText(servers: Status['servers'], what: string, well: string, why = ''): string {
  const server = servers.find((one) => one.what === what);
  if (!server) return 'switched off';
  const { address, problem } = server;
  if (problem !== undefined) return `not served: ${problem}`;
  return `${well} at ${address}${why}`;
}

function ms(duration: number): string {
  return `${duration < 10 ? duration.toFixed(2) : duration.toFixed(0)} ms`;
}

function shortened(entries: readonly string[]): readonly string[] {
  const others = entries.length - SHOWN;
  return others > 1 ? [...entries.slice(0, SHOWN), `and ${others} more (-o json)`] : entries;
}

function list(label: string, entries: readonly string[]): string[] {
  return entries.map((entry, i) => line(i ? '' : label, entry));
}

function line(label: string, text: string): string {
  return `${label.padEnd(11)}${printable(text)}`;
}
