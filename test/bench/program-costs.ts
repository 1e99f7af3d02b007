// SPDX-License-Identifier: Apache-2.0
// Nanoseconds that a run of each program takes, as the kernel counts them (BPF_ENABLE_STATS). A pass of
// its own: counting costs tens of nanoseconds a run itself, which are in the figures.

import { attachments } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { runCommand } from '../lab/run-command.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { type Arm, armArguments, type Protocol, runClient } from './exchanges.ts';

export interface ProgramCost {
  readonly program: string;
  /** What it met: a Service's address, or one that it has to leave alone. */
  readonly case: 'service' | 'missed';
  readonly protocol: Protocol;
  readonly runs: number;
  readonly nsPerRun: number;
}

const EXCHANGES = 4_000;
const ARMS: readonly (Arm & ProgramCost['case'])[] = ['service', 'missed'];

export async function measurePrograms(cluster: BenchCluster): Promise<ProgramCost[]> {
  const costs: ProgramCost[] = [];
  // Its own runs would be counted with the client's.
  await cluster.servers.unhook();
  for (const protocol of ['TCP', 'UDP'] as const) {
    const arms = await armArguments(cluster, protocol);
    for (const arm of ARMS) {
      const before = await countedRuns(cluster);
      const one = { protocol, exchanges: EXCHANGES, arms: [arms[arm]], countsPrograms: true };
      await runClient(cluster, one);
      for (const [program, { runs, ns }] of await countedRuns(cluster)) {
        const earlier = before.get(program) ?? { runs: 0, ns: 0 };
        const added = runs - earlier.runs;
        if (added === 0) continue;
        costs.push({
          program,
          case: arm,
          protocol,
          runs: added,
          nsPerRun: (ns - earlier.ns) / added,
        });
      }
    }
  }
  return costs;
}

interface Counted {
  readonly runs: number;
  readonly ns: number;
}

/** Since the programs were loaded, by hook. */
async function countedRuns(cluster: BenchCluster): Promise<Map<string, Counted>> {
  const counted = new Map<string, Counted>();
  for (const { hook, programId } of attachments(new Pins(cluster.node.bpffs))) {
    const shown = await runCommand(['bpftool', '-j', 'prog', 'show', 'id', `${programId}`]);
    const { run_cnt = 0, run_time_ns = 0 } = JSON.parse(shown) as BpftoolProgram;
    counted.set(hook, { runs: run_cnt, ns: run_time_ns });
  }
  return counted;
}

/** Both are left out while they are 0. */
interface BpftoolProgram {
  readonly run_cnt?: number;
  readonly run_time_ns?: number;
}
