// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { withLock } from '../../../../scripts/guest/lock.ts';

function lockFile(t: { teardown(remove: () => void): void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-lock-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return path.join(folder, 'lock');
}

test('one works at a time', async (t) => {
  const file = lockFile(t);
  let working = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++working);
    await sleep(20);
    working--;
  };
  await Promise.all([1, 2, 3].map(() => withLock(file, work, () => {})));
  t.is(most, 1);
});

test('who fails lets go of it', async (t) => {
  const file = lockFile(t);
  const fail = () => Promise.reject(new Error('failed'));
  await t.throwsAsync(
    withLock(file, fail, () => {}),
    { message: 'failed' },
  );
  t.is(
    await withLock(
      file,
      async () => 'next',
      () => {},
    ),
    'next',
  );
});

test('a lock that cannot be made is told', async (t) => {
  await t.throwsAsync(
    withLock(
      '/nowhere/lock',
      async () => {},
      () => {},
    ),
    {
      message: /^cannot lock .*No such file or directory$/,
    },
  );
});
