// SPDX-License-Identifier: Apache-2.0
// Runs every scenario beside it: on the double, as written and object by object; on the kernel's own
// tables; and its states again in random order, for a state must not depend on the one before. At each
// checkpoint `explain` is asked too: it says what the tables say. Each run ends with empty tables.
// `SCENARIO_SEED=n` repeats an order.

import { globSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Tables } from '../../agent/sys/datapath.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { openRealTables } from '../helpers/real-tables.ts';
import { requireRoot } from '../helpers/requirements.ts';
import { type Checkpoint, type Event, readScenario, type Scenario } from './scenario.ts';
import { ScenarioAgent } from './scenario-agent.ts';

const SEED = Number(process.env.SCENARIO_SEED ?? Date.now() % 1_000_000);
const VISITS = 25;
const VISITS_IN_KERNEL = 10;

for (const file of globSync('*.yaml', { cwd: import.meta.dirname }).sort()) {
  const scenario = readScenario(path.join(import.meta.dirname, file));
  const name = path.basename(file, '.yaml');

  test(`${name}`, async (t) => {
    await replay(t, new FakeTables(), scenario, {
      async afterEach(agent, checkpoint) {
        await agent.hearsNoNews(checkpoint);
        agent.agreesWithItsTables(checkpoint);
      },
    });
  });

  test(`${name}, object by object`, async (t) => {
    await replay(t, new FakeTables(), scenario, { passPerEvent: true });
  });

  test(`${name}, in random order`, async (t) => {
    t.log(`SCENARIO_SEED=${SEED}`);
    await visitAtRandom(t, new FakeTables(), scenario, VISITS);
  });

  test.serial(`${name}, in the kernel`, async (t) => {
    if (!requireRoot(t)) return;
    t.log(`SCENARIO_SEED=${SEED}`);
    await withKernelTables(async (tables) => {
      await replay(t, tables, scenario, {
        async afterEach(agent, checkpoint) {
          agent.agreesWithItsTables(checkpoint);
        },
      });
      await visitAtRandom(t, tables, scenario, VISITS_IN_KERNEL);
    });
  });
}

/** The kernel's tables, for one scenario after another: each finds them as the one before left them, empty. */
let kernelTables: Tables | undefined;
const teardowns: (() => unknown)[] = [];
test.after.always(() => {
  for (const end of teardowns.reverse()) end();
});

async function withKernelTables(use: (tables: Tables) => Promise<void>): Promise<void> {
  const tables = kernelTables ?? openRealTables({ teardown: (end) => void teardowns.push(end) });
  // What fails may leave something behind.
  kernelTables = undefined;
  await use(tables);
  kernelTables = tables;
}

interface ReplayOptions {
  /** Else a pass for all events between two checkpoints. */
  readonly passPerEvent?: boolean;
  readonly afterEach?: (agent: ScenarioAgent, checkpoint: Checkpoint) => Promise<void>;
}

async function replay(
  t: ExecutionContext,
  tables: FakeTables | Tables,
  { options, checkpoints }: Scenario,
  { passPerEvent = false, afterEach }: ReplayOptions = {},
): Promise<void> {
  const agent = new ScenarioAgent(t, tables, options);
  for (const checkpoint of checkpoints) {
    const { events } = checkpoint;
    for (const together of passPerEvent ? events.map((event) => [event]) : [events]) {
      await agent.hears(together);
    }
    agent.holds(checkpoint);
    await afterEach?.(agent, checkpoint);
  }
  await agent.ends(checkpoints.at(-1) as Checkpoint);
}

async function visitAtRandom(
  t: ExecutionContext,
  tables: FakeTables | Tables,
  { options, checkpoints }: Scenario,
  visits: number,
): Promise<void> {
  const random = randomNumbers(SEED);
  const agent = new ScenarioAgent(t, tables, options);
  let now = checkpoints[0] as Checkpoint;
  await agent.hears(shuffled(transition(undefined, now), random).flat());
  for (let visit = 0; visit < visits; visit++) {
    const next = checkpoints[Math.floor(random() * checkpoints.length)] as Checkpoint;
    await agent.hears(shuffled(transition(now, next), random).flat());
    agent.holds(next);
    now = next;
  }
  await agent.ends(now);
}

/** What leads from one state to another; events of one object stay together and in order. */
function transition(from: Checkpoint | undefined, to: Checkpoint): Event[][] {
  const ids = new Set([...(from?.objects.keys() ?? []), ...to.objects.keys()]);
  return [...ids].map((id) => {
    const [before, after] = [from?.objects.get(id), to.objects.get(id)];
    const { kind, key } = (before ?? after) as NonNullable<typeof after>;
    const remove: Event = (sink) => sink.remove(kind, key);
    if (!after) return [remove];
    // An object that makes no sense leaves its last good form in force: that of `to`, not of `from`.
    return !after.isGood || !before ? [remove, ...after.events] : [...after.events];
  });
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** mulberry32: small, and the same everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
