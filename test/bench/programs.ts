// SPDX-License-Identifier: Apache-2.0
// Which of our programs run for what traffic, how often and how long, as the kernel counts (BPF_ENABLE_STATS): what a
// difference to direct is made of. A pass of its own: counting costs tens of nanoseconds a run itself, which are in
// the figures.

import { attachments } from '../../agent/sys/datapath.ts';
import { openPacketTables } from '../../agent/sys/packet-tables.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { runCommand } from '../lab/run-command.ts';
import type { TrafficKind } from './measure-servers.ts';
import { LATENCY_KINDS, type Path, type Program } from './result.ts';
import type { Traffic } from './traffic.ts';
import { type Destination, type TrafficArm, trafficArms } from './traffic-arms.ts';

const UNITS: Readonly<Partial<Record<TrafficKind, number>>> = { datagrams: 6_400 };
const DEFAULT_UNITS = 1_000;
/** Bytes. */
const INSTRUCTION_SIZE = 8;

const OUTSIDE_KINDS = ['connection', 'roundTrip', 'datagrams'] as const;
const DESTINATIONS: readonly Destination[] = [
  ...LATENCY_KINDS.map((kind): Destination => ({ kind, path: 'clusterIP', family: 'ipv4' })),
  ...(['nodePortLocal', 'nodePortRemote'] as const).flatMap((path) =>
    (['ipv4', 'ipv6'] as const).flatMap((family) =>
      OUTSIDE_KINDS.map((kind): Destination => ({ kind, path, family })),
    ),
  ),
];

const PATH_NAMES: Readonly<Record<Path, string>> = {
  clusterIP: 'cluster IP',
  nodePortLocal: 'nodePort, local',
  nodePortRemote: 'nodePort, remote',
};

/** @param units exchanges or datagrams of each kind of traffic. @returns nothing where this proxy has no station. */
export async function measurePrograms(
  traffic: Traffic,
  note: (text: string) => void,
  units?: number,
): Promise<Program[]> {
  const station = traffic.bench.stations.find(({ arm }) => arm === 'signalbox');
  if (!station) return [];
  const ours = new Pins(station.node.bpffs);
  const programs: Program[] = [];
  for (const destination of DESTINATIONS) {
    const arms = trafficArms(traffic.bench, destination).filter(({ arm }) => arm === 'signalbox');
    for (const arm of arms) {
      const name = trafficName(destination, arm);
      note(name);
      const count = units ?? UNITS[destination.kind] ?? DEFAULT_UNITS;
      const described = await traffic.describe([arm]);
      const before = await countedRuns(ours);
      const run = { kind: destination.kind, count, block: count, seed: 1, countsPrograms: true };
      const output = await traffic.run(described, run);
      const exchanges = output.get(arm.name)?.exchanges ?? Number.NaN;
      programs.push(...added(before, await countedRuns(ours), name, exchanges));
    }
  }
  await traffic.rest();
  return programs;
}

/** `connection, nodePort, remote, IPv6`; `connect, past cluster IP`. */
function trafficName({ kind, path, family }: Destination, { way }: TrafficArm): string {
  const to = `${way === 'backend' ? 'past ' : ''}${PATH_NAMES[path]}`;
  return [kind, to, ...(path === 'clusterIP' ? [] : [family.replace('ip', 'IP')])].join(', ');
}

/** Since it was loaded. */
export interface CountedRuns {
  readonly name: string;
  readonly instructions: number;
  readonly runs: number;
  readonly ns: number;
}

/** @param exchanges that made the difference. Pure. */
export function added(
  before: ReadonlyMap<number, CountedRuns>,
  after: ReadonlyMap<number, CountedRuns>,
  traffic: string,
  exchanges: number,
): Program[] {
  return [...after].flatMap(([id, { name, instructions, runs, ns }]) => {
    const earlier = before.get(id) ?? { runs: 0, ns: 0 };
    const more = runs - earlier.runs;
    if (more === 0) return [];
    const nsPerRun = (ns - earlier.ns) / more;
    return [{ name, traffic, instructions, runsPerUnit: more / exchanges, nsPerRun }];
  });
}

/** Of the programs on the hooks of the node's cgroup and on its devices, by id. */
async function countedRuns(pins: Pins): Promise<Map<number, CountedRuns>> {
  const hooks = new Map(attachments(pins).map(({ hook, programId }) => [programId, hook]));
  const tables = openPacketTables(pins);
  const flows = tables.flows.raw.id;
  tables.close();
  const shown = JSON.parse(await runCommand(['bpftool', '-j', 'prog', 'show'])) as BpftoolProgram[];
  return new Map(
    shown
      .filter(
        ({ id, type, map_ids }) =>
          hooks.has(id) || (type === 'sched_cls' && map_ids?.includes(flows)),
      )
      .map(({ id, name, bytes_xlated, run_cnt = 0, run_time_ns = 0 }) => [
        id,
        {
          name: hooks.get(id) ?? name,
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
