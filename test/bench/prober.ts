// SPDX-License-Identifier: Apache-2.0
// Whether Services lead where they should, asked by connections from a client pod: prober.c, which does it, is started
// here and driven by lines. For whatever happens to a proxy over time, whichever proxy it is.

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { compileProgram } from './native-program.ts';

/** Watched at once when all Services are looked at: what the prober goes through at each of its steps. */
const LOOKED_AT_ONCE = 20;
const TIMEOUT_MS = 20;

/** Where the prober is to run: a pod, a node. */
export interface ProberPlace {
  spawn(argv: readonly string[], options: SpawnOptions): ChildProcess;
}

export interface Expectation {
  readonly protocol: 'TCP' | 'UDP';
  readonly address: string;
  readonly port: number;
  /** Any of them is right. */
  readonly expected: readonly string[];
}

/** What is dialled, and who answers there until something changes. */
export interface Departure extends Omit<Expectation, 'expected'> {
  /** Any other is right. */
  readonly left: readonly string[];
}

export interface Landing {
  /** CLOCK_MONOTONIC, which is process.hrtime's too: the beginning of the first connection that landed right. */
  readonly atNs: bigint;
  /** Since the try before it began, which did not; of a first try: since it was asked for. */
  readonly sinceTryNs: number;
  /** With the one that landed. */
  readonly tries: number;
  /** Its address. */
  readonly answeredBy: string;
}

/** The few connections right after the first that landed. */
export interface Afterwards {
  readonly wentBack: number;
  readonly failed: number;
}

export interface Watch {
  /** The first try is over, right or not; or it was given up. */
  readonly begun: Promise<void>;
  /** undefined when it was given up before. Rejects when the prober has died. */
  readonly landed: Promise<Landing | undefined>;
  /** undefined when it was given up before. */
  readonly settled: Promise<Afterwards | undefined>;
  /** Says who answered last, or the name of the error; '' when all was over already. */
  giveUp(): Promise<string>;
}

type Answer = readonly string[];

export class Prober {
  readonly #child: ChildProcess;
  /** By the first words of the line that they wait for. */
  readonly #waiting = new Map<string, (answer: Answer | undefined) => void>();
  #lastId = 0;
  #hasEnded = false;
  #isClosing = false;

  /**
   * @param directory for the program.
   * @param timeoutMs a try that is not answered within that time was none; later ones get longer.
   * @throws EnvironmentError without a C compiler.
   */
  constructor(place: ProberPlace, directory: string, timeoutMs = TIMEOUT_MS) {
    const program = compileProgram('prober', directory);
    this.#child = place.spawn([program, `${timeoutMs}`], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (!this.#child.stdout) throw new Error('the prober has no output');
    createInterface({ input: this.#child.stdout })
      .on('line', (line) => this.#hear(line.split(' ')))
      .on('close', () => this.#end());
  }

  /** Tries again and again until it leads there, and then a few times more. */
  watch(what: Expectation | Departure): Watch {
    return this.#order('watch', what);
  }

  /**
   * Connects to each, so many at a time, and goes on with those that did not land at once.
   *
   * @returns in their order.
   * @throws Error naming the first that does not lead there within `patienceMs`, and who answers in its place.
   */
  async look(
    all: readonly Expectation[],
    patienceMs: number,
    atOnce = LOOKED_AT_ONCE,
  ): Promise<Landing[]> {
    const landings: Landing[] = [];
    let next = 0;
    const lookAtNext = async () => {
      for (;;) {
        const index = next++;
        const expectation = all[index];
        if (!expectation) return;
        landings[index] = await this.#lookAt(expectation, patienceMs);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lookAtNext));
    return landings;
  }

  /** Of all threads of a process so far, of those too that have ended; not of its children. @throws Error without it. */
  async cpuSeconds(pid: number): Promise<number> {
    const answer = this.#answer(`cpu ${pid}`);
    this.#say(`cpu ${pid}`);
    const ns = Number((await answer)?.[0] ?? -1);
    if (ns < 0) throw new Error(`there is no process ${pid} to ask for its CPU time`);
    return ns / 1e9;
  }

  /** Has a process come before others, on any CPU, as the prober does itself. */
  async putFirst(pid: number): Promise<void> {
    await this.#do(`first ${pid}`, pid);
  }

  /** Has it wait for others again, on one CPU: as measure-server.c starts. */
  async putLast(pid: number, cpu: number): Promise<void> {
    await this.#do(`batch ${pid} ${cpu}`, pid);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }

  #order(order: 'watch' | 'look', what: Expectation | Departure): Watch {
    const id = ++this.#lastId;
    const landed = this.#answer(`landed ${id}`).then((words) => this.#landing(words));
    // Whoever waits for it hears of it.
    landed.catch(() => {});
    const wrong = this.#answer(`begun ${id}`);
    const settled = this.#answer(`settled ${id}`).then(
      (words) => words && { wentBack: Number(words[0]), failed: Number(words[1]) },
    );
    const { protocol, address, port } = what;
    const who = 'left' in what ? `!${what.left.join(',')}` : what.expected.join(',');
    this.#say(`${order} ${id} ${protocol.toLowerCase()} ${address} ${port} ${who}`);
    const begun = Promise.race([landed, wrong]).then(() => this.#settle(`begun ${id}`, undefined));
    if (order === 'look') this.#settle(`settled ${id}`, undefined);
    let last: Promise<string> | undefined;
    const giveUp = () => {
      last ??= this.#forget(id);
      return last;
    };
    return { begun, landed, settled, giveUp };
  }

  async #lookAt(expectation: Expectation, patienceMs: number): Promise<Landing> {
    const watch = this.#order('look', expectation);
    const timer = setTimeout(() => watch.giveUp(), patienceMs);
    const landing = await watch.landed;
    clearTimeout(timer);
    if (landing) return landing;
    const { protocol, address, port, expected } = expectation;
    const last = (await watch.giveUp()) || 'nobody';
    throw new Error(
      `${protocol} ${address}:${port} leads to ${last} in place of ${expected.join(', ')}`,
    );
  }

  /** @throws Error when there is none because the prober has died. */
  #landing(words: Answer | undefined): Landing | undefined {
    if (words) {
      const [atNs = '', sinceTryNs, tries, answeredBy = ''] = words;
      return {
        atNs: BigInt(atNs),
        sinceTryNs: Number(sinceTryNs),
        tries: Number(tries),
        answeredBy,
      };
    }
    if (this.#hasEnded && !this.#isClosing) throw new Error('the prober has ended');
    return undefined;
  }

  /** Says it, and waits until it is done. */
  async #do(order: string, pid: number): Promise<void> {
    const done = this.#answer(`done ${pid}`);
    this.#say(order);
    if (!(await done)) throw new Error(`the prober has ended at: ${order}`);
  }

  async #forget(id: number): Promise<string> {
    const forgotten = this.#answer(`forgotten ${id}`);
    this.#say(`forget ${id}`);
    const last = ((await forgotten) ?? []).join(' ');
    this.#settle(`landed ${id}`, undefined);
    this.#settle(`settled ${id}`, undefined);
    return last;
  }

  #hear([what = '', id = '', ...words]: Answer): void {
    this.#settle(`${what} ${id}`, words);
  }

  #answer(to: string): Promise<Answer | undefined> {
    if (this.#hasEnded) throw new Error('the prober has ended');
    return new Promise((resolve) => this.#waiting.set(to, resolve));
  }

  #settle(key: string, answer: Answer | undefined): void {
    const settle = this.#waiting.get(key);
    this.#waiting.delete(key);
    settle?.(answer);
  }

  #say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  #end(): void {
    this.#hasEnded = true;
    for (const key of [...this.#waiting.keys()]) this.#settle(key, undefined);
  }
}
