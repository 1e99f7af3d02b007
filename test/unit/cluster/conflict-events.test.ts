// SPDX-License-Identifier: Apache-2.0
// Which changes of conflicts are told, to whom, in which words.

import test from 'ava';
import { conflictEvents } from '../../../agent/cluster/conflict-events.ts';
import type { FrontendConflict } from '../../../agent/model/frontend-claims.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';

const OLD = 'default/old';
const NEW = 'default/new';

function conflict(frontend: string, owner: ObjectKey, ...others: ObjectKey[]): FrontendConflict {
  return { frontend, owner, others };
}

/** Who is told, and what of it varies. */
function told(before: readonly FrontendConflict[], after: readonly FrontendConflict[]) {
  return conflictEvents(before, after).map(({ service, note }) => [
    service,
    /^Service (.*), this one is not\. /.exec(note)?.[1],
  ]);
}

test('the one that loses is told what it lost, to whom, why, and how to mend it', (t) => {
  t.deepEqual(conflictEvents([], [conflict('10.96.0.1:80/TCP', OLD, NEW)]), [
    {
      service: NEW,
      reason: 'FrontendConflict',
      note:
        'Service default/old is served at 10.96.0.1:80/TCP, this one is not. ' +
        'An address and port goes to the Service that has it as its clusterIP, ' +
        'then to the oldest, then to the first by name. Give this Service another one.',
    },
  ]);
});

test('what was known is not told again, nor is the end of a conflict', (t) => {
  const both = [conflict('A', OLD, NEW), conflict('B', OLD, NEW)];
  t.deepEqual(told(both, both), []);
  t.deepEqual(told(both, [conflict('A', OLD, NEW)]), []);
  t.deepEqual(told(both, []), []);
});

test('every loser is told', (t) => {
  t.deepEqual(told([conflict('A', OLD, 'b/x')], [conflict('A', OLD, 'b/x', 'b/y', 'b/z')]), [
    ['b/y', 'default/old is served at A'],
    ['b/z', 'default/old is served at A'],
  ]);
});

test('another owner is told to the losers, the one before among them', (t) => {
  t.deepEqual(told([conflict('A', OLD, NEW)], [conflict('A', 'a/older', OLD, NEW)]), [
    [OLD, 'a/older is served at A'],
    [NEW, 'a/older is served at A'],
  ]);
});

test('one warning for all that one Service loses to another; the words depend on the present alone', (t) => {
  const after = [conflict('C', OLD, NEW), conflict('A', OLD, NEW), conflict('B', 'a/other', NEW)];
  const expected = [NEW, 'default/old is served at A, C'];
  t.deepEqual(told([], after), [expected, [NEW, 'a/other is served at B']]);
  t.deepEqual(told([conflict('C', OLD, NEW), conflict('B', 'a/other', NEW)], after), [expected]);
  t.deepEqual(told([], after.toReversed())[1], expected);
});

test('a long list is cut, and counted', (t) => {
  const after = ['F', 'E', 'D', 'C', 'B', 'A', 'G'].map((key) => conflict(key, OLD, NEW));
  t.deepEqual(told([], after), [[NEW, 'default/old is served at A, B, C, D, E and 2 more']]);
  t.deepEqual(told([], after.slice(1, 6)), [[NEW, 'default/old is served at A, B, C, D, E']]);
});

test('the longest note fits into an Event', (t) => {
  const name = 'n'.repeat(63);
  const address = '[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535/SCTP';
  const after = Array.from({ length: 400 }, (_, i) =>
    conflict(`nodePort ${address}${i}`, `${name}/${name}`, NEW),
  );
  const [warning] = conflictEvents([], after);
  t.true(Buffer.byteLength(warning?.note ?? '') <= 1024);
});
