// SPDX-License-Identifier: Apache-2.0
// Random packets against the packet path as the kernel runs it: whatever comes, the invariants of
// packets/checks.ts hold. `PACKETS_SEED=n` repeats a run, `PACKETS_RUNS=n` makes a longer one,
// `PACKETS_OBJECT=path` asks other programs of the same tables, `PACKETS_SHRINK_MS=n` bounds the search for less that fails.
//
// Not here: checksums that are left to the device (the kernel makes no such packets for test runs), which are
// for test/netns.

import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { requireProgram, requireRoot } from '../helpers/requirements.ts';
import { PacketNode } from '../prog/packet-node.ts';
import { CHECKS, type CheckName, Exercise, Violation } from './packets/checks.ts';
import { FlowTable } from './packets/flow-table.ts';
import { type History, histories } from './packets/steps.ts';
import { World } from './packets/world.ts';

const SEED = Number(process.env.PACKETS_SEED ?? Date.now() % 1_000_000);
const RUNS = Number(process.env.PACKETS_RUNS ?? 60);
/** For what is smaller and fails too. */
const SHRINK_MS = Number(process.env.PACKETS_SHRINK_MS ?? 20_000);

/** The packets that are shown last before a failure. */
const LAST_LINES = 60;

interface Failure {
  readonly check: CheckName | undefined;
  readonly report: string;
}

const exercise = new Exercise();
const ends: (() => unknown)[] = [];
let failure: Failure | undefined;
let hasRun = false;

test.before(async (t) => {
  if (!canRun(t)) return;
  const { PACKETS_OBJECT: object } = process.env;
  const options = object === undefined ? {} : { object };
  const node = await PacketNode.create({ teardown: (end) => void ends.push(end) }, options);
  const table = new FlowTable(node.tables.pins);
  ends.push(() => table.close());
  failure = await search(node, table);
  hasRun = true;
});

test.after.always(async () => {
  for (const end of ends.reverse()) await end();
});

for (const [name, claim] of Object.entries(CHECKS) as [CheckName, string][]) {
  test(`${name}: ${claim}`, (t) => {
    if (!canRun(t)) return;
    t.log(
      `PACKETS_SEED=${SEED} PACKETS_RUNS=${RUNS}, looked ${exercise.times.get(name) ?? 0} times`,
    );
    if (failure?.check === name) t.fail(failure.report);
    else t.true(failure !== undefined || (exercise.times.get(name) ?? 0) > 0);
  });
}

test('nothing else goes wrong', (t) => {
  if (!canRun(t)) return;
  t.log([...exercise.outcomes].map(([outcome, times]) => `${outcome} ${times}`).join(', '));
  t.true(hasRun);
  if (failure && !failure.check) t.fail(failure.report);
});

function canRun(t: ExecutionContext): boolean {
  return requireRoot(t) && requireProgram(t, 'ip');
}

/** @returns the first failure, made as small as there is time for. */
async function search(node: PacketNode, table: FlowTable): Promise<Failure | undefined> {
  let found: Failure | undefined;
  let stopAt = Number.POSITIVE_INFINITY;
  const property = fc.asyncProperty(histories, async (history) => {
    if (Date.now() > stopAt) return;
    const next = await live(node, table, history);
    // One at a time: a smaller history that fails otherwise is another failure.
    if (!next || (found && next.check !== found.check)) return;
    if (!found) stopAt = Date.now() + SHRINK_MS;
    found = next;
    throw new Error(next.report);
  });
  await fc.check(property, { numRuns: RUNS, seed: SEED });
  return found;
}

async function live(
  node: PacketNode,
  table: FlowTable,
  history: History,
): Promise<Failure | undefined> {
  await node.reset();
  const world = new World(node, table, exercise);
  try {
    await world.live(history);
    return undefined;
  } catch (error) {
    const { trace, flows, knowledge, last } = world.judge;
    const what = error instanceof Violation ? error.message : `${(error as Error).stack}`;
    const lines = [
      what,
      '',
      ...trace.slice(-LAST_LINES),
      '',
      `in:  ${last?.before.toString('hex')}`,
      `out: ${last?.after.toString('hex')}`,
      '',
      'flows:',
      ...flows,
      '',
      `after ${knowledge.ledger.now} s; PACKETS_SEED=${SEED}`,
    ];
    return {
      check: error instanceof Violation ? error.check : undefined,
      report: lines.join('\n'),
    };
  }
}
