// SPDX-License-Identifier: Apache-2.0
// What the agent says of its own doings: in its log, on its status socket, in its metrics. Asked when it
// is done, so that being looked at is not part of what is measured.

import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchStatus } from '../../agent/telemetry/status-socket.ts';
import type { LabNode } from '../lab/lab-node.ts';

/** Until the lines of an agent that has nothing to say have reached the file. */
const WRITTEN_WITHIN_MS = 300;
const METRICS_URL = 'http://127.0.0.1:10249/metrics';
const PRINT_METRICS = `fetch('${METRICS_URL}').then((r) => r.text()).then(console.log)`;

/** What it logged since `sinceMs`, and how long after that. */
export async function milestonesMs(file: string, sinceMs: number): Promise<Record<string, number>> {
  await sleep(WRITTEN_WITHIN_MS);
  return parseMilestones(await readFile(file, 'utf8'), sinceMs);
}

/** Leaves out what is not JSON, such as a stack. Pure. */
export function parseMilestones(text: string, sinceMs: number): Record<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  const milestones = lines.map((line) => {
    const { time, msg, kind } = JSON.parse(line) as { time: string; msg: string; kind?: string };
    const name = kind === undefined ? msg : `${msg} ${kind}`;
    return [name, Date.parse(time) - sinceMs] as const;
  });
  return Object.fromEntries(milestones.filter(([, afterMs]) => afterMs >= 0));
}

/** When the last table write of its last pass was, in milliseconds since the epoch. */
export async function lastWriteAtMs(node: LabNode): Promise<number> {
  const pass = (await fetchStatus(node.bpffs))?.lastPass;
  if (!pass?.writes) throw new Error('the last pass of the agent did not write anything');
  return Date.parse(pass.at);
}

/** Passes since the agent's start. */
export interface Passes {
  readonly count: number;
  readonly seconds: number;
}

export async function readPasses(node: LabNode): Promise<Passes> {
  const { code, stdout, stderr } = await node.run([process.execPath, '-e', PRINT_METRICS]);
  if (code !== 0) throw new Error(`cannot read ${METRICS_URL}: ${stderr.trim()}`);
  return parsePasses(stdout);
}

/** @param metrics in the text exposition format. Pure. */
export function parsePasses(metrics: string): Passes {
  const value = (suffix: string) =>
    Number(
      metrics.match(new RegExp(`^signalbox_pass_duration_seconds_${suffix} (\\S+)$`, 'm'))?.[1],
    );
  return { count: value('count'), seconds: value('sum') };
}
