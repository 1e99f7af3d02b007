// SPDX-License-Identifier: Apache-2.0
// Traffic that goes on while a proxy is killed and started again, counted: steady-load.c, started in a client pod.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { until } from '../lab/until.ts';
import { compileProgram } from './native-program.ts';
import type { ProberPlace } from './prober.ts';

export interface LoadTarget {
  readonly protocol: 'TCP' | 'UDP';
  readonly address: string;
  readonly port: number;
}

export interface LoadOptions {
  /** New connections; and exchanges of each kind of what stays open. */
  readonly perSecond: number;
  /** Connections, connected UDP sockets, unconnected ones: so many of each. */
  readonly open: number;
  /** Until what is not answered counts as failed. */
  readonly patienceSeconds: number;
}

/** New connections, exchanges on open ones, datagrams: those that were answered, and those that were not. */
export interface LoadCount {
  readonly exchanges: number;
  readonly failed: number;
}

/** `new`: connections; `open`: exchanges on those that stand; then datagrams. */
/** Of all kinds so far; and how long the longest exchange took. */
export type LoadReport = Readonly<Record<LoadKind, LoadCount>> & { readonly longestMs: number };

export const LOAD_KINDS = ['new', 'open', 'connected', 'unconnected'] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];

export class SteadyLoad {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (!child.stdout) throw new Error('the load has no output');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** @param targets of both protocols. @returns once there were exchanges of every kind. */
  static async begin(
    place: ProberPlace,
    directory: string,
    targets: readonly LoadTarget[],
    { perSecond, open, patienceSeconds }: LoadOptions,
  ): Promise<SteadyLoad> {
    const program = compileProgram('steady-load', directory);
    const child = place.spawn([program, `${perSecond}`, `${open}`, `${patienceSeconds}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const load = new SteadyLoad(child);
    const lines = targets.map(
      ({ protocol, address, port }) => `${protocol.toLowerCase()} ${address} ${port}`,
    );
    child.stdin?.write([...lines, 'go', ''].join('\n'));
    try {
      await until('all traffic flows', async () => {
        const counts = await load.report();
        return LOAD_KINDS.every((kind) => counts[kind].exchanges + counts[kind].failed >= open);
      });
    } catch (error) {
      await load.end();
      throw error;
    }
    return load;
  }

  /** So far. */
  async report(): Promise<LoadReport> {
    this.#child.stdin?.write('report\n');
    return this.#next();
  }

  /** Waits for what is under way, and ends it. */
  async end(): Promise<LoadReport> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    const counts = await this.#next();
    await ended;
    return counts;
  }

  async #next(): Promise<LoadReport> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the load has ended');
    return parseReport(value);
  }
}

/** @param line of steady-load.c. Pure. */
export function parseReport(line: string): LoadReport {
  const words = line.split(' ');
  const count = (kind: LoadKind): LoadCount => {
    const at = words.indexOf(kind);
    return { exchanges: Number(words[at + 1]), failed: Number(words[at + 2]) };
  };
  return {
    new: count('new'),
    open: count('open'),
    connected: count('connected'),
    unconnected: count('unconnected'),
    longestMs: Number(words[words.indexOf('longest') + 1]) / 1e6,
  };
}
