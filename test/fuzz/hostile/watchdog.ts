// SPDX-License-Identifier: Apache-2.0
// Sees to it that an input which takes for ever is told of: the thread that runs it cannot do so itself. Used by fuzz.ts,
// one for each parser.

import { Worker } from 'node:worker_threads';
import type fc from 'fast-check';

interface Watched {
  readonly what: string;
  /** Without FUZZ_*. */
  readonly runs: number;
  /** Of the test. */
  readonly title: string;
  /** Of its file. */
  readonly folder: string;
}

/** Of the processor's time, which passes only while the process runs. No input takes a tenth of it. */
const PATIENCE_SECONDS = 60;

/** Ends the process: nothing else ends a loop. Which input it was is the number of the run. */
const WATCH = `
  const { workerData: { shared, seconds, command } } = require('node:worker_threads');
  const count = new Int32Array(shared);
  let last = 0;
  let since = 0;
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    const now = (user + system) / 1e6;
    if (count[0] !== last) since = now;
    last = count[0];
    if (last === 0 || now - since < seconds) return;
    require('node:fs').writeSync(2, 'an input takes for ever: ' + command.replace('<run>', last - 1) + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 1000);
`;

export class Watchdog {
  readonly #count = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #watched: Watched;
  readonly #seed: number;

  /** @param patienceSeconds of the processor's time, for one input. */
  constructor(watched: Watched, patienceSeconds = PATIENCE_SECONDS) {
    const { FUZZ_SEED } = process.env;
    this.#watched = watched;
    this.#seed = FUZZ_SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(FUZZ_SEED);
    const workerData = {
      shared: this.#count.buffer,
      seconds: patienceSeconds,
      command: this.command('<run>'),
    };
    this.#worker = new Worker(WATCH, { eval: true, execArgv: [], workerData });
    this.#worker.unref();
  }

  /** For fast-check. */
  parameters<Inputs>(): fc.Parameters<Inputs> {
    const { FUZZ_PATH, FUZZ_SECONDS, FUZZ_RUNS } = process.env;
    return {
      seed: this.#seed,
      ...(FUZZ_PATH !== undefined && { path: FUZZ_PATH }),
      numRuns: FUZZ_SECONDS ? 2 ** 31 - 1 : Number(FUZZ_RUNS ?? this.#watched.runs),
      ...(FUZZ_SECONDS && {
        interruptAfterTimeLimit: Number(FUZZ_SECONDS) * 1000,
        markInterruptAsFailure: false,
      }),
    };
  }

  /** An input is about to be tried. */
  begin(): void {
    this.#count[0] = (this.#count[0] ?? 0) + 1;
  }

  end(): void {
    void this.#worker.terminate();
  }

  /** What repeats a run. @param at fast-check's path to it. */
  command(at: string): string {
    const { what, title, folder } = this.#watched;
    const variables = `FUZZ_ONLY='${what}' FUZZ_SEED=${this.#seed} FUZZ_PATH=${at}`;
    return `${variables} node_modules/.bin/ava ${folder} --match '*${title}'`;
  }
}
