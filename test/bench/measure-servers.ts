// SPDX-License-Identifier: Apache-2.0
// Who answers what is measured: measure-server.c, in the server pod of each station and in the pod behind them. Each
// process is in its pod's network and cgroup, as a container's is, and ends with the bench at the latest.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { createInterface } from 'node:readline';
import { runCommand } from '../lab/run-command.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { targetPort } from './outside-services.ts';
import { LATENCY_KINDS, type LatencyKind } from './result.ts';
import { BACKEND_PORT } from './service-objects.ts';
import type { Bench } from './station.ts';

export type BulkKind = 'stream' | 'datagrams';
export type TrafficKind = LatencyKind | BulkKind;

/** Of measure-client.c. What is answered at once is answered here too: to wake another CPU takes longer than the rest. */
export const CLIENT_CPU = 0;

interface Settled {
  readonly cpu: number;
  /** Before everybody who has an ordinary policy. */
  readonly isFirst: boolean;
}
const AT_REST: Settled = { cpu: CLIENT_CPU, isFirst: false };

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
  readonly #processes: ChildProcess[] = [];
  #settled = AT_REST;

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
   * Puts all of them on the CPU, and under the policy, that a kind wants: of a stream, sender and reader are at work at
   * the same time. A process is moved, and not another one asked on another port: what is dialled stays the same.
   */
  async settleFor(kind: TrafficKind): Promise<void> {
    const isLatency = LATENCY_KINDS.some((latency) => latency === kind);
    await this.#settle({ cpu: kind === 'stream' ? otherCpu() : CLIENT_CPU, isFirst: isLatency });
  }

  /** As they have started: in nobody's way. */
  async rest(): Promise<void> {
    await this.#settle(AT_REST);
  }

  async #settle({ cpu, isFirst }: Settled): Promise<void> {
    const before = this.#settled;
    this.#settled = { cpu, isFirst };
    const pids = this.#processes.map(({ pid }) => `${pid}`);
    if (cpu !== before.cpu) {
      await Promise.all(pids.map((pid) => runCommand(['taskset', '-acp', `${cpu}`, pid])));
    }
    if (isFirst === before.isFirst) return;
    const policy = isFirst ? ['--fifo', '--pid', '1'] : ['--batch', '--pid', '0'];
    const change = (pid: string) => runCommand(['chrt', '--all-tasks', ...policy, pid]);
    // Some kernels let nobody in a cgroup be first: others get in between, then, for all arms alike.
    await Promise.all(pids.map((pid) => (isFirst ? change(pid).catch(() => {}) : change(pid))));
  }

  async #start(place: Place, { use, port }: Listening): Promise<void> {
    const process = spawnInside(place, [this.#program, `${CLIENT_CPU}`, use, `${port}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#processes.push(process);
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

function distinct(all: readonly Listening[]): Listening[] {
  return all.filter(
    (one, i) => all.findIndex(({ use, port }) => use === one.use && port === one.port) === i,
  );
}
