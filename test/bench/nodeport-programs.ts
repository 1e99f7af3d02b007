// SPDX-License-Identifier: Apache-2.0
// Which programs of the packet path run for what traffic, how often, how long (BPF_ENABLE_STATS), and what they
// counted of its packets: it shows that what was measured is what was meant. A pass of its own: counting costs
// tens of nanoseconds a run itself, which are in the figures.

import { openPacketTables } from '../../agent/sys/packet-tables.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { runCommand } from '../lab/run-command.ts';
import type { NodePortCluster } from './nodeport-cluster.ts';
import {
  type Arm,
  type BulkKind,
  type LatencyKind,
  ROUTES,
  runClient,
  TARGETS,
} from './nodeport-traffic.ts';

export interface ProgramRuns {
  /** By the kernel's name, which is cut off behind 15 characters. */
  readonly program: string;
  /** As the kernel runs it, before the processor's own are made of it. */
  readonly instructions: number;
  readonly runsPerUnit: number;
  readonly nsPerRun: number;
}

/** What the programs did for so many connections, round trips or datagrams by one route. */
export interface PacketPath extends Omit<Arm, 'route'> {
  readonly route: Arm['route'];
  readonly kind: LatencyKind | BulkKind;
  readonly units: number;
  readonly programs: readonly ProgramRuns[];
  /** How often each outcome was counted, those that were. */
  readonly outcomes: Readonly<Record<string, number>>;
}

const KINDS = ['connections', 'round-trips', 'datagrams'] as const;

export async function measurePacketPath(
  cluster: NodePortCluster,
  units: number,
  note: (text: string) => void,
): Promise<PacketPath[]> {
  const tables = openPacketTables(new Pins(cluster.bpffs));
  const take = async () => ({
    programs: await runsOfPrograms(tables.flows.raw.id),
    outcomes: tables.readCounts(),
  });
  const measured: PacketPath[] = [];
  try {
    for (const kind of KINDS) {
      for (const route of ROUTES) {
        note(`${kind}, ${route}`);
        for (const target of TARGETS) {
          const arm = { ...target, route };
          const before = await take();
          await runClient(cluster, {
            kind,
            count: units,
            block: units,
            arms: [arm],
            countsPrograms: true,
          });
          const after = await take();
          measured.push({
            ...arm,
            kind,
            units,
            programs: added(before.programs, after.programs, units),
            outcomes: Object.fromEntries(
              [...after.outcomes]
                .map(([name, count]) => [name, count - (before.outcomes.get(name) ?? 0)] as const)
                .filter(([, count]) => count > 0),
            ),
          });
        }
      }
    }
  } finally {
    tables.close();
  }
  return measured;
}

interface Counted {
  readonly name: string;
  readonly instructions: number;
  readonly runs: number;
  readonly ns: number;
}

/** Bytes. */
const INSTRUCTION_SIZE = 8;

function added(
  before: ReadonlyMap<number, Counted>,
  after: ReadonlyMap<number, Counted>,
  units: number,
): ProgramRuns[] {
  return [...after].flatMap(([id, { name, instructions, runs, ns }]) => {
    const earlier = before.get(id) ?? { runs: 0, ns: 0 };
    const more = runs - earlier.runs;
    if (more === 0) return [];
    const nsPerRun = (ns - earlier.ns) / more;
    return [{ program: name, instructions, runsPerUnit: more / units, nsPerRun }];
  });
}

/** Of the programs that use the flow table with the id, by their own id, since they were loaded. */
async function runsOfPrograms(flows: number): Promise<Map<number, Counted>> {
  const shown = await runCommand(['bpftool', '-j', 'prog', 'show']);
  const programs = (JSON.parse(shown) as BpftoolProgram[]).filter(
    ({ type, map_ids }) => type === 'sched_cls' && map_ids?.includes(flows),
  );
  return new Map(
    programs.map(({ id, name, bytes_xlated, run_cnt = 0, run_time_ns = 0 }) => [
      id,
      {
        name,
        instructions: bytes_xlated / INSTRUCTION_SIZE,
        runs: run_cnt,
        ns: run_time_ns,
      },
    ]),
  );
}

/** What is 0 or empty is left out. */
interface BpftoolProgram {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  readonly bytes_xlated: number;
  readonly map_ids?: readonly number[];
  readonly run_cnt?: number;
  readonly run_time_ns?: number;
}
