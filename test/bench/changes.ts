// SPDX-License-Identifier: Apache-2.0
// From a change of one EndpointSlice in the API server to the one write that publishes it, among
// thousands of Services. One change at a time; another process watches the table.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Remote } from '../lab/rpc.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { readPasses } from './agent-view.ts';
import type { BenchCluster } from './bench-cluster.ts';
import type { ChangeWatcherMethods } from './change-watcher.ts';
import { cpuSeconds } from './process-usage.ts';
import { type Distribution, distribution } from './statistics.ts';

const WATCHER = fileURLToPath(new URL('change-watcher.ts', import.meta.url));

/** Between changes, at least, and at most this much more: nothing may get used to a rhythm. */
const PAUSE_MS = 10;
const JITTER_MS = 10;
/** The watcher looks by then. Should it not, the change counts as longer than it was. */
const WATCHING_WITHIN_MS = 3;

export interface Changes {
  /** From just before the slice is stored to the first look that shows the new run. */
  readonly publishedMs: Distribution;
  /** How much of that may be the watcher's: the time between its last two looks. */
  readonly uncertaintyMs: Distribution;
  /** The agent's part, on average: from taking up a change to its last table write. */
  readonly passMs: number;
  readonly agentCpuMsPerChange: number;
}

export async function measureChanges(cluster: BenchCluster, count: number): Promise<Changes> {
  const { node } = cluster;
  const place = { namespace: node.namespace, cgroup: cluster.outerCgroup };
  const child = spawnInside(place, [process.execPath, WATCHER, node.bpffs], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const watcher = new Remote<ChangeWatcherMethods>(child);
  try {
    const publishedMs: number[] = [];
    const uncertaintyMs: number[] = [];
    await change(cluster, watcher);
    const passesBefore = await readPasses(cluster.node);
    const cpuBefore = cpuSeconds(cluster.agentPid);
    for (let i = 0; i < count; i++) {
      const { tookNs, sinceNs } = await change(cluster, watcher);
      publishedMs.push(tookNs / 1e6);
      uncertaintyMs.push(sinceNs / 1e6);
      await sleep(PAUSE_MS + Math.random() * JITTER_MS);
    }
    const spentSeconds = cpuSeconds(cluster.agentPid) - cpuBefore;
    const passes = await readPasses(cluster.node);
    return {
      publishedMs: distribution(publishedMs),
      uncertaintyMs: distribution(uncertaintyMs),
      passMs:
        ((passes.seconds - passesBefore.seconds) * 1000) / (passes.count - passesBefore.count),
      agentCpuMsPerChange: (spentSeconds * 1000) / count,
    };
  } finally {
    const ended = once(child, 'exit');
    if (child.connected) child.disconnect();
    await ended;
  }
}

/** Changes one backend of some Service. */
async function change(cluster: BenchCluster, watcher: Remote<ChangeWatcherMethods>) {
  const index = Math.floor(Math.random() * cluster.count('TCP'));
  const frontend = cluster.frontend('TCP', index);
  const firstSlot = await watcher.call('firstSlot', { frontend });
  const seen = watcher.call('awaitChange', { frontend, firstSlot });
  await sleep(WATCHING_WITHIN_MS);
  const begunNs = process.hrtime.bigint();
  cluster.replaceBackend('TCP', index);
  const { atNs, sinceNs } = await seen;
  return { tookNs: Number(BigInt(atNs) - begunNs), sinceNs };
}
