// SPDX-License-Identifier: Apache-2.0
// Which Services get an Event because they could not be programmed, when, and in what words.

import test from 'ava';
import { FailureTeller } from '../../../agent/commands/failure-teller.ts';
import { failedServiceLines, failureText } from '../../../agent/commands/failure-text.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import type { Failure } from '../../../agent/reconcile/apply.ts';
import { service } from '../../helpers/objects.ts';

const TABLES = [{ table: 'members', entries: 100, capacity: 100 }];
const FULL =
  'the table members is full with 100 entries (E2BIG); --table-size members=256 of the agent makes room';

const key = (n: number): ObjectKey => `a/s${n}`;
const full = (n: number): Failure => ({
  service: key(n),
  step: 'widenMember',
  message: 'E2BIG',
  full: { table: 'members', code: 'E2BIG' },
});
const refused = (n: number): Failure => ({
  service: key(n),
  step: 'publishFrontend',
  message: 'ENOMEM',
});

function teller(services: number) {
  const cluster = new ClusterState();
  for (let n = 0; n < services; n++)
    cluster.upsertService(key(n), { spec: service(key(n), [], []) });
  const told: string[] = [];
  const clock = { nowMs: 0 };
  const recorder = {
    warn: ({ name }: { name: string }, reason: string, note: string) =>
      void told.push(`${name} ${reason} ${note}`),
  };
  const one = new FailureTeller(cluster, recorder, {
    nodeName: 'node-1',
    tables: () => TABLES,
    now: () => clock.nowMs,
  });
  const pass = (failures: Failure[], changed = failures.map(({ service: of }) => of)) => {
    told.length = 0;
    one.passed({ failures, changed: new Set(changed) });
    return told.map((line) => line.split(' ')[0]);
  };
  return { pass, told, clock, cluster };
}

test('once for each cause, and again when it has been well in between', (t) => {
  const { pass, told } = teller(1);
  t.deepEqual(pass([full(0)]), ['s0']);
  t.regex(told[0] ?? '', /^s0 FailedToProgram .*not in force: the table members is full with 100 /);
  t.deepEqual(pass([full(0)]), []);
  t.deepEqual(pass([refused(0)]), ['s0']);
  t.regex(told[0] ?? '', /not in force on node node-1: ENOMEM\. /);
  t.deepEqual(pass([], [key(0)]), []);
  t.deepEqual(pass([refused(0)]), ['s0']);
});

test('of very many some are told at once, the others later', (t) => {
  const { pass, clock } = teller(100);
  const failures = Array.from({ length: 100 }, (_, n) => full(n));
  t.is(pass(failures).length, 10);
  t.deepEqual(pass(failures), []);
  clock.nowMs += 60_000;
  t.deepEqual(pass(failures), ['s10', 's11']);
});

test('a Service that is gone is told of to nobody', (t) => {
  const { pass } = teller(0);
  t.deepEqual(pass([full(0)]), []);
});

test('what status says: a full table with its cure, the rest in the words of the kernel', (t) => {
  t.is(failureText(full(0), TABLES), FULL);
  t.is(failureText(full(0), []), 'E2BIG');
  t.is(failureText(refused(0), TABLES), 'ENOMEM');
  const failures = Array.from({ length: 10 }, (_, n) => ({ service: key(n), message: 'why' }));
  t.deepEqual(failedServiceLines(failures.slice(0, 1)), ['Service a/s0 is not programmed: why']);
  t.is(failedServiceLines(failures.slice(0, 8)).length, 8);
  t.deepEqual(failedServiceLines(failures).slice(7), [
    'Service a/s7 is not programmed: why',
    'and 2 more Services: `signalbox status -o json` has all (failures)',
  ]);
});
