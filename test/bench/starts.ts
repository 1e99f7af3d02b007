// SPDX-License-Identifier: Apache-2.0
// How long an agent that is started takes, and what of the machine: a cold one, which finds no tables, and a
// warm one, whose tables are as the agent before it left them. When the last table write was is the agent's
// own word, to the millisecond; that the tables are complete then is read from the kernel.

import { setTimeout as sleep } from 'node:timers/promises';
import { lastWriteAtMs, milestonesMs } from './agent-view.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { type AgentMemory, agentMemory, cpuSeconds } from './process-usage.ts';
import { type Distribution, distribution } from './statistics.ts';

export type StartKind = 'cold' | 'warm';

export interface Start {
  /** From starting the process: programs attached, and proven to run. */
  readonly readyMs: number;
  /** The process, until then. */
  readonly cpuSeconds: number;
  /** From starting the process; of a cold start. */
  readonly lastWriteMs?: number;
  /** When each thing was logged, from starting the process. */
  readonly milestonesMs: Readonly<Record<string, number>>;
}

export interface Starts {
  readonly readyMs: Distribution;
  readonly cpuSeconds: Distribution;
  /** Of cold starts. */
  readonly lastWriteMs?: Distribution;
  readonly starts: readonly Start[];
  /** Of the last agent, once it has settled. */
  readonly memory: AgentMemory;
}

export interface StartOptions {
  readonly starts: number;
  /** Until an agent that is done has given back what it only needed for the start, in seconds. */
  readonly settle: number;
}

/** Kills the agent and starts it, with all Services in the API server, some times. The last one stays. */
export async function measureStarts(
  cluster: BenchCluster,
  kind: StartKind,
  { starts: count, settle }: StartOptions,
  note: (text: string) => void,
): Promise<Starts> {
  const starts: Start[] = [];
  for (let i = 0; i < count; i++) {
    note(`${i + 1} of ${count}`);
    starts.push(await measureStart(cluster, kind));
  }
  await sleep(settle * 1000);
  const lastWrites = starts.flatMap(({ lastWriteMs }) => lastWriteMs ?? []);
  return {
    readyMs: distribution(starts.map((start) => start.readyMs)),
    cpuSeconds: distribution(starts.map((start) => start.cpuSeconds)),
    ...(lastWrites.length && { lastWriteMs: distribution(lastWrites) }),
    starts,
    memory: agentMemory(cluster.agentPid),
  };
}

async function measureStart(cluster: BenchCluster, kind: StartKind): Promise<Start> {
  const { agent, node } = cluster;
  await agent.kill();
  if (kind === 'cold') {
    const { code, stderr } = await agent.run('cleanup');
    if (code !== 0) throw new Error(`signalbox cleanup: ${stderr.trim()}`);
  }
  const begunMs = Date.now();
  await agent.start();
  const spentSeconds = cpuSeconds(cluster.agentPid);
  const readyMs = Date.now() - begunMs;
  await cluster.programmed();
  return {
    readyMs,
    cpuSeconds: spentSeconds,
    ...(kind === 'cold' && { lastWriteMs: (await lastWriteAtMs(node)) - begunMs }),
    milestonesMs: await milestonesMs(agent.logFile, begunMs),
  };
}
