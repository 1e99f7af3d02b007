// SPDX-License-Identifier: Apache-2.0
// How long it takes until thousands of Services are in the kernel: for an agent that runs, and for one
// that has just been started. When the last table write was is the agent's own word, to the millisecond;
// that the tables are complete then is read from the kernel.

import { lastWriteAtMs, milestonesMs, readPasses } from './agent-view.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { type AgentMemory, agentMemory, cpuSeconds } from './process-usage.ts';
import type { ServiceSet } from './service-objects.ts';
import { type Distribution, distribution } from './statistics.ts';

export interface Fill {
  /** Until the API server had stored all objects. */
  readonly storingMs: number;
  /** From the last object stored to the last table write. */
  readonly lastWriteMs: number;
  readonly passes: number;
  readonly agentCpuSeconds: number;
  readonly memory: AgentMemory;
}

/** Creates the Services while the agent runs and has nothing yet. */
export async function measureFill(cluster: BenchCluster, set: ServiceSet): Promise<Fill> {
  const begunMs = Date.now();
  const cpuBefore = cpuSeconds(cluster.agentPid);
  const storedMs = await cluster.storeServices(set);
  await cluster.programmed();
  const agentCpuSeconds = cpuSeconds(cluster.agentPid) - cpuBefore;
  return {
    storingMs: storedMs - begunMs,
    lastWriteMs: (await lastWriteAtMs(cluster.node)) - storedMs,
    passes: (await readPasses(cluster.node)).count,
    agentCpuSeconds,
    memory: agentMemory(cluster.agentPid),
  };
}

export interface ColdStart {
  /** From starting the process. */
  readonly lastWriteMs: number;
  /** From starting the process: programs attached, and proven to run. */
  readonly readyMs: number;
  /** The process, until then. */
  readonly cpuSeconds: number;
  /** When each thing was logged, from starting the process. */
  readonly milestonesMs: Readonly<Record<string, number>>;
}

export interface ColdStarts {
  readonly lastWriteMs: Distribution;
  readonly readyMs: Distribution;
  readonly cpuSeconds: Distribution;
  readonly starts: readonly ColdStart[];
}

/** Starts the agent on empty tables, with all Services in the API server. The last one stays. */
export async function measureColdStarts(
  cluster: BenchCluster,
  count: number,
  note: (text: string) => void,
): Promise<ColdStarts> {
  const starts: ColdStart[] = [];
  for (let i = 0; i < count; i++) {
    note(`${i + 1} of ${count}`);
    starts.push(await measureColdStart(cluster));
  }
  return {
    lastWriteMs: distribution(starts.map((start) => start.lastWriteMs)),
    readyMs: distribution(starts.map((start) => start.readyMs)),
    cpuSeconds: distribution(starts.map((start) => start.cpuSeconds)),
    starts,
  };
}

async function measureColdStart(cluster: BenchCluster): Promise<ColdStart> {
  const { agent } = cluster;
  await agent.kill();
  const { code, stderr } = await agent.run('cleanup');
  if (code !== 0) throw new Error(`signalbox cleanup: ${stderr.trim()}`);
  const begunMs = Date.now();
  await agent.start();
  const spentSeconds = cpuSeconds(cluster.agentPid);
  const readyMs = Date.now() - begunMs;
  await cluster.programmed();
  return {
    lastWriteMs: (await lastWriteAtMs(cluster.node)) - begunMs,
    readyMs,
    cpuSeconds: spentSeconds,
    milestonesMs: await milestonesMs(agent.logFile, begunMs),
  };
}
