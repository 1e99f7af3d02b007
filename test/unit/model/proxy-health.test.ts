// SPDX-License-Identifier: Apache-2.0
// When the agent counts as stuck, and when its node is to be left by load balancers (semantics 1.12).

import test from 'ava';
import type { NodeSpec } from '../../../agent/model/objects.ts';
import { isNodeEligible, isProgrammed, ProxyHealth } from '../../../agent/model/proxy-health.ts';

const LIMIT_MS = 60_000;
const AT = new Date('2026-01-01T00:00:00Z');
const LATER = new Date('2026-01-01T00:01:00Z');

/** One that has programmed everything, at 0 ms. */
function synced(): ProxyHealth {
  const health = new ProxyHealth(LIMIT_MS);
  health.queued(0);
  health.begun();
  health.ended(AT, true);
  return health;
}

const isHealthy = (health: ProxyHealth, nowMs: number) => health.report(nowMs).isHealthy;

test('never synced: healthy, however long it takes', (t) => {
  const health = new ProxyHealth(LIMIT_MS);
  t.deepEqual(health.report(0), { isHealthy: true, updatedAt: undefined });
  health.queued(0);
  t.true(isHealthy(health, 10 * LIMIT_MS));
  health.begun();
  health.ended(AT, false);
  t.deepEqual(health.report(10 * LIMIT_MS), { isHealthy: true, updatedAt: undefined });
});

test('nothing to do: healthy for ever', (t) => {
  t.deepEqual(synced().report(1e12), { isHealthy: true, updatedAt: AT });
});

test('a change that nobody takes up: stuck after the limit, from the oldest on', (t) => {
  const health = synced();
  health.queued(1000);
  health.queued(50_000);
  t.true(isHealthy(health, 60_999));
  t.false(isHealthy(health, 61_000));
});

test('a pass that does not end: stuck, whatever comes meanwhile', (t) => {
  const health = synced();
  health.queued(1000);
  health.begun();
  health.queued(50_000);
  t.true(isHealthy(health, 60_999));
  t.false(isHealthy(health, 61_000));
});

test('what came during a pass is pending after it, from when it came', (t) => {
  const health = synced();
  health.queued(1000);
  health.begun();
  health.queued(50_000);
  health.ended(LATER, true);
  t.deepEqual(health.report(109_999), { isHealthy: true, updatedAt: LATER });
  t.false(isHealthy(health, 110_000));
});

test('a pass that came to nothing leaves its changes pending; one that did not ends it', (t) => {
  const health = synced();
  health.queued(1000);
  health.begun();
  health.ended(LATER, false);
  health.queued(30_000);
  health.begun();
  health.ended(LATER, false);
  t.deepEqual(health.report(61_000), { isHealthy: false, updatedAt: AT });
  health.begun();
  health.ended(LATER, true);
  t.deepEqual(health.report(1e9), { isHealthy: true, updatedAt: LATER });
});

test('some Services are refused: programmed; all are: not', (t) => {
  t.true(isProgrammed(0, 0));
  t.true(isProgrammed(0, 5));
  t.true(isProgrammed(4, 5));
  t.false(isProgrammed(5, 5));
  t.false(isProgrammed(1, 1));
});

test('a node is eligible unless it is being deleted, or the API server knows none of its name', (t) => {
  const node: NodeSpec = { name: 'node-1', addresses: [], podCIDRs: [] };
  t.true(isNodeEligible(node, true));
  t.false(isNodeEligible({ ...node, isBeingDeleted: true }, true));
  t.false(isNodeEligible(undefined, true));
  t.true(isNodeEligible(undefined, false));
  t.false(isNodeEligible({ ...node, isBeingDeleted: true }, false), 'a manifest says so');
});
