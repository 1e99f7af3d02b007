// SPDX-License-Identifier: Apache-2.0
// Who answers what is measured: measure-server.c, in the server pod of each station and in the pod behind them. Each
// process is in its pod's network and cgroup, as a container's is, and ends with the bench at the latest.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { runCommand } from '../lab/run-command.ts';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { targetPort } from './outside-services.ts';
import type { LatencyKind } from './result.ts';
import { BACKEND_PORT } from './service-objects.ts';
import type { Bench } from './station.ts';

export type BulkKind = 'stream' | 'datagrams';
export type TrafficKind = LatencyKind | BulkKind;

/**
 * Of measure-client.c, and of all servers: what is answered at once is answered here too, as to wake another CPU takes
 * longer than all the rest, and how long depends on how deep it sleeps; and of a stream it is the work that counts, not
 * how two CPUs happen to keep each other waiting.
 */
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
  readonly #processes: ChildProcess[] = [];
  #keepsCpu = false;
  #refusal: string | undefined;

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

  /** Why they do not come before others, though they should: in the words of who refused it. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /**
   * From now on they come before everybody who has an ordinary policy, as measure-client.c does. Where a kernel lets
   * nobody in a cgroup do that, others get in between, of all arms alike.
   */
  async keepCpu(): Promise<void> {
    if (this.#keepsCpu || this.#refusal !== undefined) return;
    try {
      await this.#setPolicy('--fifo', '1');
      this.#keepsCpu = true;
    } catch (error) {
      this.#refusal = String(error);
    }
  }

  /** From now on they are in nobody's way, as they were when they started. */
  async rest(): Promise<void> {
    if (!this.#keepsCpu) return;
    this.#keepsCpu = false;
    await this.#setPolicy('--batch', '0');
  }

  async #setPolicy(policy: string, priority: string): Promise<void> {
    const change = ['chrt', '--all-tasks', policy, '--pid', priority] as const;
    await Promise.all(this.#processes.map(({ pid }) => runCommand([...change, `${pid}`])));
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

function distinct(all: readonly Listening[]): Listening[] {
  return all.filter(
    (one, i) => all.findIndex(({ use, port }) => use === one.use && port === one.port) === i,
  );
}
