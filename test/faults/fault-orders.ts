// SPDX-License-Identifier: Apache-2.0
// What a test gives to a process that runs with preload.ts: its environment, orders, and what it has done since.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CALLS_SUFFIX, ORDERS_ENV, parseOrders } from './orders.ts';

const PRELOAD = pathToFileURL(path.join(import.meta.dirname, 'preload.ts')).href;

export class FaultOrders {
  readonly #file: string;
  /** Makes each text another one, which a process notices by. */
  #given = 0;

  /** @param directory where the file of orders goes; gone with it. Only processes with {@link env} ask for it. */
  constructor(directory: string) {
    this.#file = path.join(directory, 'fault-orders');
    this.give();
  }

  /** For the process, besides its own. */
  get env(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--import=${PRELOAD}`, [ORDERS_ENV]: this.#file };
  }

  /** In place of all orders before; calls are counted from now. None: all goes its way. See orders.ts. */
  give(...orders: readonly string[]): void {
    const text = [...orders, `# ${this.#given++}`].join('\n');
    parseOrders(text);
    rmSync(`${this.#file}${CALLS_SUFFIX}`, { force: true });
    writeFileSync(`${this.#file}.new`, text);
    // Read whole, or as it was.
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** The calls since then that change something, in their order: `mapUpdateBatch:frontends`. None without an order. */
  calls(): readonly string[] {
    try {
      const text = readFileSync(`${this.#file}${CALLS_SUFFIX}`, 'utf8');
      return text.split('\n').filter((line) => line !== '');
    } catch {
      return [];
    }
  }
}
