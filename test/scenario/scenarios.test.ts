// SPDX-License-Identifier: Apache-2.0
// Runs every scenario beside it: on the double, as written and object by object; on the kernel's own
// tables; and its states again in random order, for a state must not depend on the one before. Each run
// ends with empty tables. `SCENARIO_SEED=n` repeats an order.

import { globSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ClusterState } from '../../agent/model/cluster-state.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../helpers/fake-tables.ts';
import { assertNone } from '../helpers/old-or-new.ts';
import { openRealTables } from '../helpers/real-tables.ts';
import { requireRoot } from '../helpers/requirements.ts';
import {
  brokenLookups,
  entryCounts,
  leftOvers,
  lookAt,
  NO_ENTRIES,
  rowsOf,
} from '../helpers/table-view.ts';
import { type Checkpoint, type Event, readScenario } from './scenario.ts';

const SEED = Number(process.env.SCENARIO_SEED ?? Date.now() % 1_000_000);
const VISITS = 25;
const VISITS_IN_KERNEL = 10;

for (const file of globSync('*.yaml', { cwd: import.meta.dirname }).sort()) {
  const checkpoints = readScenario(path.join(import.meta.dirname, file));
  const name = path.basename(file, '.yaml');

  test(`${name}`, async (t) => {
    await replay(t, new FakeTables(), checkpoints);
  });

  test(`${name}, object by object`, async (t) => {
    await replay(t, new FakeTables(), checkpoints, { passPerEvent: true });
  });

  test(`${name}, in random order`, async (t) => {
    t.log(`SCENARIO_SEED=${SEED}`);
    await visitAtRandom(t, new FakeTables(), checkpoints, VISITS);
  });

  test(`${name}, in the kernel`, async (t) => {
    if (!requireRoot(t)) return;
    const tables = openRealTables(t);
    await replay(t, tables, checkpoints);
    t.log(`SCENARIO_SEED=${SEED}`);
    await visitAtRandom(t, tables, checkpoints, VISITS_IN_KERNEL);
  });
}

/** An agent, and the look at its tables that a scenario allows itself. */
class Agent {
  readonly #t: ExecutionContext;
  readonly #tables: KernelTables;
  readonly #cluster = new ClusterState();
  readonly #reconciler: Reconciler;

  constructor(t: ExecutionContext, tables: KernelTables) {
    this.#t = t;
    this.#tables = tables;
    this.#reconciler = new Reconciler(this.#cluster, tables, { passed() {}, audited() {} });
    if (tables instanceof FakeTables) {
      tables.afterWrite = () => assertNone(brokenLookups(tables));
    }
  }

  async hears(events: readonly Event[]): Promise<void> {
    for (const event of events) event(this.#cluster);
    const { failures } = await this.#reconciler.reconcileChanges();
    this.#t.deepEqual(failures, []);
  }

  holds({ tables, skipped, conflicts }: Checkpoint): void {
    const t = this.#t;
    const view = lookAt(this.#tables);
    t.deepEqual(rowsOf(view), [...tables].sort());
    t.deepEqual(brokenLookups(view), []);
    t.deepEqual(leftOvers(view), []);
    if (skipped) {
      const named = this.#cluster.skipped.map(({ kind, key }) => `${kind} ${key}`);
      t.deepEqual(named.sort(), [...skipped]);
    }
    if (conflicts) {
      const named = this.#reconciler.conflicts.map(
        ({ frontend, owner, others }) => `${frontend} of ${owner}; ${others.join(', ')}`,
      );
      t.deepEqual(named, [...conflicts]);
    }
  }

  /** Every object goes, and with them every entry. */
  async ends({ objects }: Checkpoint): Promise<void> {
    await this.hears(
      [...objects.values()].map(
        ({ kind, key }) =>
          (s) =>
            s.remove(kind, key),
      ),
    );
    this.#t.deepEqual(entryCounts(this.#tables), NO_ENTRIES);
  }
}

async function replay(
  t: ExecutionContext,
  tables: KernelTables,
  checkpoints: readonly Checkpoint[],
  { passPerEvent = false } = {},
): Promise<void> {
  const agent = new Agent(t, tables);
  for (const checkpoint of checkpoints) {
    const { events } = checkpoint;
    for (const together of passPerEvent ? events.map((event) => [event]) : [events]) {
      await agent.hears(together);
    }
    agent.holds(checkpoint);
  }
  await agent.ends(checkpoints.at(-1) as Checkpoint);
}

async function visitAtRandom(
  t: ExecutionContext,
  tables: KernelTables,
  checkpoints: readonly Checkpoint[],
  visits: number,
): Promise<void> {
  const random = randomNumbers(SEED);
  const agent = new Agent(t, tables);
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
    return after.events.length > 1 || !before ? [remove, ...after.events] : [...after.events];
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
