// SPDX-License-Identifier: Apache-2.0
// Whole lives of agents, against everything that may happen to them: test/simulation/ has the world, and what is
// asserted of it after every step. `SEED=n` repeats a run; `SIMULATE=2h` goes on for two hours; `STORY=n:n:n` tells one
// story again, as a failure names it.

import test from 'ava';
import fc from 'fast-check';
import { faultTest } from '../faults/fault-test.ts';
import { describe, type Story, stories } from '../simulation/steps.ts';
import { type Problem, type Tally, tell } from '../simulation/world.ts';

/** Of continuous integration, whose answer is about the commit; by hand it is a new one each time. */
const FIXED_SEEDS = [1, 2, 3];
const STORIES = 150;
const STEPS = 60;
/** Of the time in which a failure is made small. */
const SMALL_ENOUGH_MS = 60_000;
const LAST_STEPS = 12;

const { SEED, STORY, SIMULATE, CI } = process.env;
const NEW_SEED = Date.now() % 1_000_000;
const SEEDS = SEED ? [Number(SEED)] : CI ? FIXED_SEEDS : [NEW_SEED];

faultTest(test, 'simulation', async (t, report) => {
  t.timeout(durationMs(SIMULATE) + 10 * SMALL_ENOUGH_MS);
  t.log(`SEED=${SEEDS.at(-1)}`);
  const tally: Tally = {
    worlds: 0,
    steps: 0,
    virtualMs: 0,
    lives: 0,
    kills: 0,
    writes: 0,
    refused: 0,
    looks: 0,
    rests: 0,
  };
  const untilMs = Date.now() + durationMs(SIMULATE);
  for (let i = 0; i < SEEDS.length || Date.now() < untilMs; i++) {
    const seed = SEEDS[i] ?? (SEEDS.at(-1) as number) + i;
    const problem = await tellStories(seed, tally);
    if (problem !== undefined) {
      t.fail(problem);
      return;
    }
    if (SIMULATE) console.log(`SEED=${seed}`, JSON.stringify(tally));
  }
  const { virtualMs, looks, ...counts } = tally;
  t.log(counts, `${Math.round(virtualMs / 3_600_000)} hours of virtual time`);
  report({
    injections: tally.steps,
    attempts: looks,
    failed: 0,
    note: `${tally.worlds} stories, ${tally.lives} agents, ${tally.writes} writes`,
  });
  t.pass();
});

/** @returns what went wrong first, made small; undefined when nothing did. */
async function tellStories(seed: number, tally: Tally): Promise<string | undefined> {
  let foundMs = Infinity;
  const holds = async (story: Story) => {
    // No world is left in the middle: it has the timers of the process.
    if (Date.now() > foundMs + SMALL_ENOUGH_MS) return true;
    if ((await tell(story, tally)) === undefined) return true;
    foundMs = Math.min(foundMs, Date.now());
    return false;
  };
  const replay = STORY === undefined ? {} : { path: STORY, endOnFailure: true };
  const found = await fc.check(fc.asyncProperty(stories(STEPS), holds), {
    seed,
    numRuns: STORIES,
    ...replay,
  });
  const [story] = found.counterexample ?? [];
  if (!story) return undefined;
  const problem = await tell(story, { ...tally });
  return inWords(seed, found.counterexamplePath ?? '', story, problem);
}

function inWords(seed: number, path: string, { steps }: Story, problem: Problem | undefined) {
  if (!problem)
    return `SEED=${seed} STORY=${path}: not found again, which is a bug of the simulation`;
  const told = steps.slice(0, problem.step);
  const first = Math.max(0, told.length - LAST_STEPS);
  return [
    `SEED=${seed} STORY=${path} node_modules/.bin/ava test/fuzz/simulation.test.ts`,
    `step ${told.length} of ${steps.length}: ${problem.problem}`,
    'the last steps:',
    ...told.slice(first).map((step, i) => `  ${first + i + 1}. ${describe(step)}`),
  ].join('\n');
}

/** `2h`, `10m`, `30s`; 0 without one. */
function durationMs(text: string | undefined): number {
  const [, digits = '0', unit = 's'] = /^(\d+)([hms])$/.exec(text ?? '') ?? [];
  return Number(digits) * { h: 3_600_000, m: 60_000, s: 1000 }[unit as 'h' | 'm' | 's'];
}
