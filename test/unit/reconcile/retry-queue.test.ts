// SPDX-License-Identifier: Apache-2.0
// When a Service with a refused step is tried again.

import test from 'ava';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { RetryQueue } from '../../../agent/reconcile/retry-queue.ts';

const failed = (service: ObjectKey, message = 'ENOMEM') =>
  ({ service, step: 'publishFrontend', message }) as const;

function queueWithClock(longestMs?: number) {
  const clock = { nowMs: 100 };
  return { clock, queue: new RetryQueue(longestMs, () => clock.nowMs) };
}

test('each attempt waits twice as long as the one before, a minute at most', (t) => {
  const { clock, queue } = queueWithClock();
  const delays = Array.from({ length: 9 }, () => {
    queue.record(['a/x'], [failed('a/x')]);
    const delay = queue.nextInMs() as number;
    clock.nowMs += delay;
    return delay;
  });
  t.deepEqual(delays, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('the longest wait is what the queue was told', (t) => {
  const { clock, queue } = queueWithClock(3000);
  const delays = Array.from({ length: 4 }, () => {
    queue.record(['a/x'], [failed('a/x')]);
    const delay = queue.nextInMs() as number;
    clock.nowMs += delay;
    return delay;
  });
  t.deepEqual(delays, [1000, 2000, 3000, 3000]);
});

test('what is due is given out, and stays a failure until it succeeds', (t) => {
  const { clock, queue } = queueWithClock();
  queue.record(['a/x', 'a/y'], [failed('a/x')]);
  clock.nowMs += 500;
  queue.record(['a/z'], [failed('a/z')]);
  t.deepEqual(queue.takeDue(), []);
  clock.nowMs += 500;
  t.deepEqual(queue.takeDue(), ['a/x']);
  t.is(queue.nextInMs(), 0);
  t.deepEqual(queue.failures, [failed('a/x'), failed('a/z')]);
  clock.nowMs += 9000;
  t.deepEqual(queue.takeDue(), ['a/x', 'a/z']);
  t.is(queue.nextInMs(), 0);
  queue.record(['a/x'], []);
  t.deepEqual(queue.failures, [failed('a/z')]);
  queue.record(['a/z'], []);
  t.is(queue.nextInMs(), undefined);
});

test('an attempt at others changes nothing; one that succeeds begins anew', (t) => {
  const { clock, queue } = queueWithClock();
  queue.record(['a/x'], [failed('a/x', 'first')]);
  queue.record(['a/y'], []);
  t.deepEqual(queue.failures, [failed('a/x', 'first')]);
  queue.record(['a/x'], [failed('a/x', 'second')]);
  t.deepEqual(queue.failures, [failed('a/x', 'second')]);
  t.is(queue.nextInMs(), 2000);
  queue.record(['a/x'], []);
  clock.nowMs += 1;
  queue.record(['a/x'], [failed('a/x')]);
  t.is(queue.nextInMs(), 1000);
});

test('more Services than a call has room for arguments wait', (t) => {
  const { queue } = queueWithClock();
  const services = Array.from({ length: 200_000 }, (_, i): ObjectKey => `a/${i}`);
  queue.record(
    services,
    services.map((service) => failed(service)),
  );
  t.is(queue.nextInMs(), 1000);
});

test('where there is room again, as many as may fit are due at once, those that were tried least first', (t) => {
  const { clock, queue } = queueWithClock();
  const full = (service: ObjectKey, table: 'members' | 'frontends') => ({
    ...failed(service),
    full: { table, code: 'E2BIG' },
  });
  queue.record(['a/tried'], [full('a/tried', 'members')]);
  const others = [full('a/x', 'members'), full('a/tried', 'members'), full('a/y', 'members')];
  const rest = [full('a/other', 'frontends'), failed('a/refused')];
  queue.record(['a/x', 'a/tried', 'a/y', 'a/other', 'a/refused'], [...others, ...rest]);
  clock.nowMs += 1;
  queue.hurry(new Map([['source_ranges', 5]]));
  t.deepEqual(queue.takeDue(), []);
  queue.hurry(new Map([['members', 2]]));
  t.is(queue.nextInMs(), 0);
  t.deepEqual(queue.takeDue(), ['a/x', 'a/y']);
  // All are failures still, and wait on from where they were when it comes to nothing.
  t.is(queue.failures.length, 5);
  queue.record(['a/x'], [full('a/x', 'members')]);
  queue.record(['a/y'], []);
  t.is(queue.nextInMs(), 999);
});
