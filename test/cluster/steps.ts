// SPDX-License-Identifier: Apache-2.0
// Runs a step on a machine as a person follows it: a line when it has ended, everything that it said in the machine's
// log, the end of that when it failed. Called by `up` and `down`, for several machines at a time.

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EnvironmentError, messageOf } from '../../agent/errors.ts';
import { ROOT } from '../../scripts/command.ts';
import { printDetail, printEnded, showStatus } from '../../scripts/progress.ts';
import type { Inventory, Machine } from './inventory.ts';
import { disconnect, mustRunScript, type RemoteOptions } from './ssh.ts';

const LOGS = path.join(ROOT, 'cluster/logs');
/** Where the project's files are on a machine; the Vagrantfile puts them there as well. */
export const THERE = '/opt/signalbox';

/** What a step is handed to tell what happens; its last line stands beside the step's name. */
type Say = (line: string) => void;

export class Steps {
  readonly #machine: Machine;
  readonly #log: string;
  static readonly #running = new Set<string>();

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#log = path.join(LOGS, `${machine.name}.log`);
    mkdirSync(LOGS, { recursive: true });
    writeFileSync(this.#log, '');
  }

  /** @throws what the step throws, after it was told. */
  async run<T>(name: string, step: (say: Say) => Promise<T>): Promise<T> {
    const title = `${this.#machine.name} ${name}`;
    const startMs = performance.now();
    let note = '';
    const ended = (ok: boolean) => {
      Steps.#running.delete(title);
      printEnded({ name: title, ok, durationMs: performance.now() - startMs, note });
    };
    Steps.#running.add(title);
    this.#append(`== ${name}`);
    try {
      showStatus([...Steps.#running].join(', '));
      const result = await step((line) => {
        note = line;
        this.#append(line);
      });
      ended(true);
      return result;
    } catch (error) {
      note = '';
      ended(false);
      this.#append(messageOf(error));
      printDetail(`${messageOf(error)}\nall of it: ${path.relative(process.cwd(), this.#log)}`);
      throw error;
    }
  }

  /** A script of provision/ that was copied there before. Its last line says how much it changed. */
  async provision(script: string, options: RemoteOptions): Promise<void> {
    const command = `bash ${THERE}/tree/test/cluster/provision/${script}.sh`;
    await this.run(script, async (say) => {
      await mustRunScript(this.#machine, command, { ...options, onLine: say });
    });
  }

  #append(line: string): void {
    appendFileSync(this.#log, `${line}\n`);
  }
}

/**
 * Does the same on all machines at a time, and lets each come to its end.
 * @throws EnvironmentError when one of them failed, which was told before.
 */
export async function onAll(
  { machines }: Inventory,
  act: (machine: Machine) => Promise<unknown>,
): Promise<void> {
  const results = await Promise.allSettled(machines.map(act));
  await Promise.all(machines.map(disconnect));
  const failed = machines.filter((_, i) => results[i]?.status === 'rejected');
  if (failed.length === 0) return;
  const unexpected = results.find(
    (each) => each.status === 'rejected' && !(each.reason instanceof EnvironmentError),
  );
  if (unexpected?.status === 'rejected') throw unexpected.reason;
  const names = failed.map(({ name }) => name).join(', ');
  throw new EnvironmentError(`failed on ${failed.length} of ${machines.length} machines: ${names}`);
}
