// SPDX-License-Identifier: Apache-2.0
// flock(2), which Node has no function for: a lock on an open file or directory that one process has at a time, and that
// goes with it. pins-lock.ts takes it.

import { lastErrno } from './ffi.ts';
import { KernelError } from './kernel-error.ts';
import { libc } from './libc.ts';

/** sys/file.h: LOCK_EX | LOCK_NB */
const EXCLUSIVE_AT_ONCE = 2 | 4;
/** The other one has it (asm-generic/errno-base.h). */
const EAGAIN = 11;

/**
 * Takes the lock, which ends when the last copy of the descriptor is closed.
 *
 * @param what for messages.
 * @returns false when somebody else has it.
 * @throws KernelError
 */
export function tryLock(fd: number, what: string): boolean {
  if (libc().flock(fd, EXCLUSIVE_AT_ONCE) === 0) return true;
  const errno = lastErrno();
  if (errno === EAGAIN) return false;
  throw new KernelError(`lock ${what}`, errno);
}
