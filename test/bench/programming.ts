// SPDX-License-Identifier: Apache-2.0
// How long it takes until thousands of Services are in the kernel, for an agent that runs; starts.ts has those
// that have just been started. When the last table write was is the agent's own word, to the millisecond; that
// the tables are complete then is read from the kernel.

import { lastWriteAtMs, readPasses } from './agent-view.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { type AgentMemory, agentMemory, cpuSeconds } from './process-usage.ts';
import type { ServiceSet } from './service-objects.ts';

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
