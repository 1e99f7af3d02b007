// SPDX-License-Identifier: Apache-2.0
// Who answers what is measured: measure-server.c, in the server pod of each station and in the pod behind them. Each
// process is in its pod's network and cgroup, as a container's is, and ends with the bench at the latest.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { createInterface } from 'node:readline';
import { finished } from '../lab/run-command.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { targetPort } from './outside-services.ts';
import type { LatencyKind } from './result.ts';
import { BACKEND_PORT } from './service-objects.ts';
import type { Bench } from './station.ts';

export type BulkKind = 'stream' | 'datagrams';
export type TrafficKind = LatencyKind | BulkKind;

/** Of measure-client.c. What is answered at once is answered here too: to wake another CPU takes longer than the rest. */
export const CLIENT_CPU = 0;

interface Listening {
  readonly use: 'tcp' | 'datagrams';
  readonly port: number;
}

/** A sink is a `tcp`, of its own port. */
const EVERYWHERE: readonly Listening[] = [
  { use: 'tcp', port: targetPort('echo') },
  { use: 'tcp', port: targetPort('sink') },
  { use: 'datagrams', port: targetPort('datagrams') },
];
const BEHIND_CLUSTER_IPS: readonly Listening[] = [
  { use: 'tcp', port: BACKEND_PORT },
  { use: 'datagrams', port: BACKEND_PORT },
];

export class MeasureServers {
  readonly #program: string;
  readonly #processes: { readonly use: Listening['use']; readonly process: ChildProcess }[] = [];
  #tcpCpu = CLIENT_CPU;

  private constructor(program: string) {
    this.#program = program;
  }

  /** @param program measure-server.c, compiled. @returns once all of them listen. */
  static async start(bench: Bench, program: string): Promise<MeasureServers> {
    const servers = new MeasureServers(program);
    const starts = bench.stations.flatMap(({ server }) =>
      distinct([...BEHIND_CLUSTER_IPS, ...EVERYWHERE]).map((one) =>
        servers.#start(server.place, one),
      ),
    );
    const remote = EVERYWHERE.map((one) => servers.#start(bench.remotePod, one));
    await Promise.all([...starts, ...remote]);
    return servers;
  }

  /**
   * Puts all of them on the CPU that a kind wants them on: of a stream, sender and reader are at work at the same time.
   * A process is moved, and not another one asked on another port: what is dialled stays the same Service.
   */
  async settleFor(kind: TrafficKind): Promise<void> {
    const cpu = kind === 'stream' ? otherCpu() : CLIENT_CPU;
    if (cpu === this.#tcpCpu) return;
    const pids = this.#processes
      .filter(({ use }) => use === 'tcp')
      .map(({ process }) => process.pid ?? 0);
    await Promise.all(pids.map((pid) => moveToCpu(pid, cpu)));
    this.#tcpCpu = cpu;
  }

  async #start(place: Place, { use, port }: Listening): Promise<void> {
    const process = spawnInside(place, [this.#program, `${CLIENT_CPU}`, use, `${port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#processes.push({ use, process });
    if (!process.stdout) throw new Error('a server has no output');
    await Promise.race([
      once(createInterface({ input: process.stdout }), 'line'),
      once(process, 'exit').then(([code]) => {
        throw new Error(`the server of ${place.namespace}, port ${port}, ended with ${code}`);
      }),
    ]);
  }
}

/** That whoever answers is in. */
export function serverCgroups(bench: Bench): string[] {
  return [...bench.stations.map(({ server }) => server.cgroup), bench.remotePod.cgroup];
}

/** That of the client where there is no other. */
function otherCpu(): number {
  return Math.min(CLIENT_CPU + 1, os.cpus().length - 1);
}

/** @throws Error in the program's own words. */
async function moveToCpu(pid: number, cpu: number): Promise<void> {
  const argv = ['--all-tasks', '--cpu-list', '--pid', `${cpu}`, `${pid}`];
  const { code, stderr } = await finished(
    spawn('taskset', argv, { stdio: ['ignore', 'ignore', 'pipe'] }),
  );
  if (code !== 0) throw new Error(`taskset ${argv.join(' ')}: ${stderr.trim()}`);
}

function distinct(all: readonly Listening[]): Listening[] {
  return all.filter(
    (one, i) => all.findIndex(({ use, port }) => use === one.use && port === one.port) === i,
  );
}
