// SPDX-License-Identifier: Apache-2.0
// The lock of the tables: who has it, who may take it, and what becomes of it when the directory goes.

import { chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  lockHolder,
  moveForeignAside,
  PinsLock,
  parseLocks,
} from '../../../agent/sys/pins-lock.ts';
import { requireRoot } from '../../helpers/requirements.ts';

/** A directory that is not there yet, and what makes it. */
function place(t: ExecutionContext): { readonly directory: string; readonly make: () => void } {
  const parent = mkdtempSync(path.join(tmpdir(), 'signalbox-lock-'));
  t.teardown(() => rmSync(parent, { recursive: true, force: true }));
  const directory = path.join(parent, 'pins');
  return { directory, make: () => mkdirSync(directory, { recursive: true, mode: 0o700 }) };
}

test('one has it, and the next when that one has closed it', (t) => {
  const { directory, make } = place(t);
  t.is(lockHolder(directory, '/proc'), undefined);
  const first = PinsLock.take(directory, make);
  t.true(first?.isInPlace);
  t.is(lockHolder(directory, '/proc'), process.pid);
  t.is(PinsLock.take(directory, make), undefined);
  first?.close();
  t.is(lockHolder(directory, '/proc'), undefined);
  const next = PinsLock.take(directory, make);
  t.true(next?.isInPlace);
  next?.close();
});

test('a directory that is removed while it is locked gives way to a new one', (t) => {
  const { directory, make } = place(t);
  const lock = PinsLock.take(directory, make);
  rmdirSync(directory);
  t.false(lock?.isInPlace);
  t.true(lock?.renew(make));
  t.true(lock?.isInPlace);
  t.is(PinsLock.take(directory, make), undefined);
  lock?.close();
});

test('whose directory has gone to somebody else is told so, and keeps what it had', (t) => {
  const { directory, make } = place(t);
  const lock = PinsLock.take(directory, make);
  rmdirSync(directory);
  const other = PinsLock.take(directory, make);
  t.true(other?.isInPlace);
  t.false(lock?.renew(make));
  t.false(lock?.isInPlace);
  other?.close();
  t.true(lock?.renew(make));
  lock?.close();
});

test('a directory that is removed between is made again; one that never stays is an error', (t) => {
  const { directory, make } = place(t);
  let made = 0;
  const lock = PinsLock.take(directory, () => {
    if (++made === 3) make();
  });
  t.is(made, 3);
  lock?.close();
  rmdirSync(directory);
  t.throws(() => PinsLock.take(directory, () => {}), { message: /is removed again and again/ });
});

test('what somebody who is not root has put there is moved aside', (t) => {
  if (!requireRoot(t)) return;
  const { directory, make } = place(t);
  t.is(moveForeignAside(directory), undefined);
  make();
  t.is(moveForeignAside(directory), undefined);
  chownSync(directory, 65534, 65534);
  const squatter = PinsLock.take(directory, make);
  const aside = moveForeignAside(directory);
  t.is(aside, `${directory}-of-uid-65534-${process.pid}`);
  t.true(existsSync(`${aside}`));
  const lock = PinsLock.take(directory, make);
  t.true(lock?.isInPlace);
  lock?.close();
  squatter?.close();
});

test('/proc/locks: who has the whole of a file, not who waits for it or has a part', (t) => {
  const text = [
    '1: POSIX  ADVISORY  WRITE 11 00:1f:77 0 EOF',
    '2: FLOCK  ADVISORY  WRITE 12 00:1f:78 0 EOF',
    '3: FLOCK  ADVISORY  WRITE 13 00:1f:77 0 EOF',
    '3: -> FLOCK  ADVISORY  WRITE 14 00:1f:77 0 EOF',
    '4: OFDLCK ADVISORY  READ -1 00:20:79 0 EOF',
    '5: FLOCK  ADVISORY  WRITE 0 00:20:80 0 EOF',
    '',
  ].join('\n');
  t.is(parseLocks(text, '00:1f', 77n), 13);
  t.is(parseLocks(text, '00:1f', 78n), 12);
  t.is(parseLocks(text, '00:20', 77n), undefined);
  t.is(parseLocks(text, '00:20', 79n), undefined);
  t.is(parseLocks(text, '00:20', 80n), undefined);
  t.is(parseLocks('', '00:20', 80n), undefined);
});
