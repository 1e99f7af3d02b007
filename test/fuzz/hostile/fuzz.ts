// SPDX-License-Identifier: Apache-2.0
// Runs a parser on hostile inputs. Whatever comes in: no exception but the parser's own, no change of what every object
// inherits, no input that takes for ever, and no memory that stays. Used by the tests beside it.
//
// FUZZ_SECONDS=3600 (or FUZZ_RUNS=N) for longer runs, of each parser; FUZZ_ONLY for one of them. FUZZ_SEED and FUZZ_PATH,
// which a failure prints, repeat that failure alone.

import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { FaultFigures } from '../../faults/fault-test.ts';
import { Watchdog } from './watchdog.ts';

export interface Hostile<T> {
  /** For people: `list pages`. */
  readonly what: string;
  readonly input: fc.Arbitrary<T>;
  /** Throws for an input that the parser should have dealt with; returns what came of it, if its size is bounded. */
  readonly check: (input: T) => unknown;
  /** How many in `npm test`. */
  readonly runs: number;
}

/** Of all inputs of a parser, on a machine that does much else: nothing depends on it. */
const TEST_MS = 900_000;

/** Of memory that stays after all inputs: caches that are bounded. */
const MAX_KEPT_BYTES = 48 * 1024 * 1024;

/** Prototypes of what parsers make. */
const INHERITED = [Object.prototype, Array.prototype, Function.prototype, Map.prototype];

/** A test's inputs and the memory that they took, added up. */
export class Fuzzing {
  readonly #t: ExecutionContext;
  #inputs = 0;

  constructor(t: ExecutionContext) {
    this.#t = t;
  }

  get figures(): FaultFigures {
    const peak = Math.round(process.resourceUsage().maxRSS / 1024);
    return { injections: this.#inputs, failed: 0, note: `${peak} MB at most in memory` };
  }

  /** For a parser that waits for nothing. */
  run<T>(hostile: Hostile<T>): void {
    const { input, check } = hostile;
    if (isLeftOut(hostile)) return;
    const watchdog = this.#begin(hostile);
    const before = heapAfterCollection();
    const property = fc.property(input, (value) => {
      watchdog.begin();
      check(value);
      requireUnpolluted();
    });
    this.#end(hostile, watchdog, before, fc.check(property, watchdog.parameters()));
  }

  /** For one that does. */
  async runAsync<T>(hostile: Hostile<T>): Promise<void> {
    const { input, check } = hostile;
    if (isLeftOut(hostile)) return;
    const watchdog = this.#begin(hostile);
    const before = heapAfterCollection();
    const property = fc.asyncProperty(input, async (value) => {
      watchdog.begin();
      await check(value);
      requireUnpolluted();
    });
    this.#end(hostile, watchdog, before, await fc.check(property, watchdog.parameters()));
  }

  #begin<T>({ what, runs }: Hostile<T>): Watchdog {
    // Without an end in sight AVA would end it; for one input that has none there is the watchdog.
    this.#t.timeout(Number(process.env.FUZZ_SECONDS ?? 0) * 1000 + TEST_MS);
    const file = path.relative(process.cwd(), new URL(import.meta.url).pathname);
    return new Watchdog({ what, runs, title: this.#t.title, folder: path.dirname(file) });
  }

  #end<T>(
    { what }: Hostile<T>,
    watchdog: Watchdog,
    before: number,
    result: fc.RunDetails<[T]>,
  ): void {
    watchdog.end();
    this.#inputs += result.numRuns;
    if (result.failed) {
      const file = written(result.counterexample?.[0]);
      this.#t.log(`${what}: ${watchdog.command(result.counterexamplePath ?? '')}`);
      this.#t.log(`the input is in ${file}`);
      throw result.errorInstance ?? new Error(`${what}: ${fc.defaultReportMessage(result)}`);
    }
    const kept = heapAfterCollection() - before;
    this.#t.true(
      kept < MAX_KEPT_BYTES,
      `${what}: ${kept} bytes stay after ${result.numRuns} inputs`,
    );
  }
}

/** FUZZ_ONLY is one of the parsers. */
function isLeftOut({ what }: Pick<Hostile<never>, 'what'>): boolean {
  const { FUZZ_ONLY } = process.env;
  return FUZZ_ONLY !== undefined && FUZZ_ONLY !== what;
}

function written(input: unknown): string {
  const file = path.join(mkdtempSync(path.join(os.tmpdir(), 'signalbox-fuzz-')), 'input');
  const isRaw = typeof input === 'string' || input instanceof Uint8Array;
  writeFileSync(file, isRaw ? input : fc.stringify(input));
  return file;
}

const INHERITED_KEYS = INHERITED.map((prototype) => Reflect.ownKeys(prototype).length);

function requireUnpolluted(): void {
  for (const [i, prototype] of INHERITED.entries()) {
    const keys = Reflect.ownKeys(prototype);
    if (keys.length === INHERITED_KEYS[i]) continue;
    throw new Error(`every object inherits something new: ${String(keys.at(-1))}`);
  }
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function heapAfterCollection(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
