// SPDX-License-Identifier: Apache-2.0
// Reflectors over hours, on a virtual clock: an API server that is gone for one, watches that never speak, and a
// cluster of nodes that must list anew.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { createReflector, type Reflector } from '../../../agent/cluster/reflector.ts';
import { SERVICES } from '../../../agent/cluster/watched-resources.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { faultTest } from '../../faults/fault-test.ts';
import { recordLog } from './recorded-log.ts';
import { VirtualApi } from './virtual-api.ts';
import { VirtualClock, virtualTiming } from './virtual-clock.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SERVICE_COUNT = 200;

interface Follower {
  readonly reflector: Reflector;
  readonly state: ClusterState;
  /** How often something has changed. */
  changes: number;
}

function fields(n: number): object {
  return { spec: { clusterIP: `10.96.${n >> 8}.${n & 255}`, ports: [{ port: 80 }] } };
}

/** One that follows `api`; ends with the test. */
function follow(t: ExecutionContext, api: VirtualApi, clock: VirtualClock, seed: number): Follower {
  const state = new ClusterState(() => {
    follower.changes += 1;
  });
  const { log } = recordLog();
  log.level = 'silent';
  const timing = virtualTiming(clock, seeded(seed));
  const reflector = createReflector({ resource: SERVICES, client: api, log, timing });
  const follower: Follower = { reflector, state, changes: 0 };
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  void reflector.run(state, controller.signal);
  return follower;
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function started(): { clock: VirtualClock; api: VirtualApi } {
  const clock = new VirtualClock();
  const api = new VirtualApi(clock);
  for (let n = 0; n < SERVICE_COUNT; n++) api.put(`s${n}`, fields(n));
  return { clock, api };
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapKiB(): number {
  collect();
  return process.memoryUsage().heapUsed / 1024;
}

faultTest(
  test,
  'api-gone',
  async (t, report) => {
    const { clock, api } = started();
    const it = follow(t, api, clock, 1);
    await clock.advance(MINUTE_MS);
    t.is(it.state.serviceCount, SERVICE_COUNT);

    api.isGone = true;
    api.hangUp();
    for (let n = 0; n < 10; n++) api.delete(`s${n}`);
    api.put('new', fields(1000));
    api.compact();
    it.changes = 0;
    const before = { lists: api.lists.length, watches: api.watches.length };
    const heaps: number[] = [];
    for (let part = 0; part < 6; part++) {
      await clock.advance(HOUR_MS / 6);
      heaps.push(heapKiB());
    }
    t.is(it.changes, 0, 'nothing that would be written');
    t.is(it.state.serviceCount, SERVICE_COUNT);
    const attempts = api.watches.length - before.watches;
    t.is(api.lists.length, before.lists);
    t.true(attempts > 100 && attempts < 250, `${attempts} attempts`);
    const grownKiB = Math.round((heaps.at(-1) ?? 0) - (heaps[0] ?? 0));
    t.true(grownKiB < 1024, `${grownKiB} KiB`);

    api.isGone = false;
    const backMs = clock.now();
    while (it.state.service('default/s0') && clock.now() < backMs + HOUR_MS) {
      await clock.advance(100);
    }
    t.is(it.state.serviceCount, SERVICE_COUNT - 10 + 1);
    t.is(api.lists.length, before.lists + 1);
    const note = `${attempts} attempts in the hour, ${grownKiB} KiB more memory; time to repair by the agent's clock`;
    report({ injections: 1, repairMs: clock.now() - backMs, note });
  },
  'an hour of a reflector',
);

faultTest(
  test,
  'api-silent-watch',
  async (t, report) => {
    const found: Record<string, number> = {};
    for (const [what, hadBookmarks] of [
      ['after bookmarks', true],
      ['from the beginning', false],
    ] as const) {
      const { clock, api } = started();
      api.isSilent = !hadBookmarks;
      const it = follow(t, api, clock, 2);
      await clock.advance(hadBookmarks ? 3.5 * MINUTE_MS : 1000);
      t.is(it.state.serviceCount, SERVICE_COUNT);
      api.isSilent = true;
      api.put('new', fields(1000));
      // Whoever comes anew is told; of those that had a bookmark.
      if (hadBookmarks) api.compact();
      const silentMs = clock.now();
      while (!it.state.service('default/new') && clock.now() < silentMs + HOUR_MS) {
        await clock.advance(1000);
      }
      t.truthy(it.state.service('default/new'), what);
      found[what] = (clock.now() - silentMs) / 1000;
    }
    t.true((found['after bookmarks'] ?? 0) <= 200);
    t.true((found['from the beginning'] ?? 0) <= 2 * 630 + 60);
    const words = Object.entries(found).map(
      ([what, seconds]) => `${what}: ${Math.round(seconds)} s`,
    );
    report({
      injections: 2,
      note: `until its news are known, by the agent's clock: ${words.join(', ')}`,
    });
  },
  'hours of a reflector',
);

faultTest(
  test,
  'api-410',
  async (t, report) => {
    const NODES = 300;
    const { clock, api } = started();
    const nodes = Array.from({ length: NODES }, (_, n) => follow(t, api, clock, n));
    await clock.advance(MINUTE_MS);
    t.true(nodes.every(({ state }) => state.serviceCount === SERVICE_COUNT));
    api.lists.length = 0;
    // All at once, as when a server ends.
    const cutMs = clock.now();
    api.hangUp();
    await clock.advance(1);
    api.put('new', fields(1000));
    api.compact();
    await clock.advance(MINUTE_MS);
    t.is(api.lists.length, NODES, 'each lists once');
    const at = api.lists.map((ms) => ms - cutMs).sort((a, b) => a - b);
    const most = Math.max(
      ...at.map((from) => at.filter((ms) => ms >= from && ms < from + 100).length),
    );
    t.true(most <= NODES / 10, `${most} lists within 100 ms`);
    const span = (((at.at(-1) ?? 0) - (at[0] ?? 0)) / 1000).toFixed(1);
    const note = `${NODES} nodes list once each, over ${span} s, at most ${most} within 100 ms`;
    report({ injections: NODES, note });
  },
  'a cluster of reflectors',
);
