// SPDX-License-Identifier: Apache-2.0
// The two ends of what is measured, on a bench: measure-server.c behind all Services, and measure-client.c, which is
// run for each round. Latencies, bulk and the cost of programs are all made with it.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { finished } from '../lab/run-command.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { type ArmOutput, parseOutput } from './client-output.ts';
import { cpuFiles } from './cpu-files.ts';
import { CLIENT_CPU, MeasureServers, serverCgroups, type TrafficKind } from './measure-servers.ts';
import { compileProgram } from './native-program.ts';
import type { Bench } from './station.ts';
import type { TrafficArm } from './traffic-arms.ts';

export interface TrafficRun {
  readonly kind: TrafficKind;
  /** Exchanges, megabytes or datagrams of each arm. */
  readonly count: number;
  /** So many of one arm, then it is the next one's turn. */
  readonly block: number;
  /** Decides who is dialled and in which order arms take turns. */
  readonly seed: number;
  /** Has the kernel count the runs of BPF programs meanwhile. */
  readonly countsPrograms?: boolean;
}

export class Traffic {
  readonly bench: Bench;
  readonly #servers: MeasureServers;
  readonly #clientProgram: string;
  readonly #cpuFiles: string;
  #fileCount = 0;

  private constructor(
    bench: Bench,
    servers: MeasureServers,
    files: { readonly clientProgram: string; readonly cpuFiles: string },
  ) {
    this.bench = bench;
    this.#servers = servers;
    this.#clientProgram = files.clientProgram;
    this.#cpuFiles = files.cpuFiles;
  }

  /** The servers end with the bench. @throws EnvironmentError without a C compiler. */
  static async start(bench: Bench): Promise<Traffic> {
    const clientProgram = compileProgram('measure-client', bench.directory);
    const servers = await MeasureServers.start(
      bench,
      compileProgram('measure-server', bench.directory),
    );
    const files = path.join(bench.directory, 'cpu-files');
    await writeFile(files, cpuFiles(serverCgroups(bench)).join('\n'));
    return new Traffic(bench, servers, { clientProgram, cpuFiles: files });
  }

  /** What the reader must know of what was measured; a sentence each. */
  get notes(): string[] {
    const { refusal } = this.#servers;
    return refusal === undefined
      ? []
      : [`Whatever else ran got in between what was measured, of all arms alike: ${refusal}.`];
  }

  /** Writes down for measure-client.c whom the arms dial. @returns how it is told of each. */
  describe(arms: readonly TrafficArm[]): Promise<string[]> {
    return Promise.all(
      arms.map(async ({ name, namespace, cgroup, targets }) => {
        const file = path.join(this.bench.directory, `targets-${this.#fileCount++}`);
        await writeFile(file, targets.map(({ address, port }) => `${address} ${port}\n`).join(''));
        return [name, file, namespace, cgroup].join();
      }),
    );
  }

  /**
   * @param arms as {@link describe} told.
   * @returns by name of the arm.
   * @throws Error that says who did not answer in time, or not as whom was dialled.
   */
  async run(
    arms: readonly string[],
    { kind, count, block, seed, countsPrograms = false }: TrafficRun,
  ): Promise<ReadonlyMap<string, ArmOutput>> {
    await this.#servers.keepCpu();
    const argv = [
      this.#clientProgram,
      ...(countsPrograms ? ['--stats'] : []),
      ...[seed, CLIENT_CPU, kind, count, block].map(String),
      this.#cpuFiles,
      ...arms,
    ];
    const { code, stdout, stderr } = await finished(
      spawnInside(this.bench.outside, argv, { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    if (code !== 0) throw new Error(`the client ended with ${code}: ${stderr.trim()}`);
    return parseOutput(stdout);
  }

  /** The servers take nothing from others any more. To be called when a measurement is over. */
  rest(): Promise<void> {
    return this.#servers.rest();
  }
}
