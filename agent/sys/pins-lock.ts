// SPDX-License-Identifier: Apache-2.0
// The lock of the tables: flock() on the directory of their pins. Whoever sees the same pins meets the same lock, in
// whatever network, mount or PID namespace; it ends with its process; and nobody but root opens a directory of mode
// 0700. Taken by the agent for as long as it runs, and by cleanup. Invariant: who has the lock has the directory
// that the path leads to, or finds out by isInPlace().

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { EnvironmentError } from '../errors.ts';
import { tryLock } from './libbpf/lock.ts';

/** The directory may give way to another one while it is opened; not again and again. */
const ATTEMPTS = 10;

export class PinsLock {
  readonly #directory: string;
  #fd: number;

  private constructor(directory: string, fd: number) {
    this.#directory = directory;
    this.#fd = fd;
  }

  /**
   * @param make has the directory be there.
   * @returns undefined when somebody else has the lock.
   * @throws EnvironmentError when the directory cannot be opened.
   */
  static take(directory: string, make: () => void): PinsLock | undefined {
    const fd = lockedDirectory(directory, make);
    return fd === undefined ? undefined : new PinsLock(directory, fd);
  }

  /** Whether the directory that is locked is still the one that the path leads to. */
  get isInPlace(): boolean {
    return isAt(this.#fd, this.#directory);
  }

  /**
   * Goes on with the directory that the path leads to by now.
   *
   * @param make as for {@link take}.
   * @returns false when somebody else has that one.
   */
  renew(make: () => void): boolean {
    const fd = lockedDirectory(this.#directory, make);
    if (fd === undefined) return false;
    closeSync(this.#fd);
    this.#fd = fd;
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/**
 * Moves a directory out of the way that somebody else has made where pins are to be, as anybody can in a BPF file system
 * that is mounted with its default mode: root alone keeps pins.
 *
 * @returns where it is now; undefined when there was nothing to move.
 */
export function moveForeignAside(directory: string): string | undefined {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (!found || found.uid === process.geteuid?.()) return undefined;
  const aside = `${directory}-of-uid-${found.uid}-${process.pid}`;
  renameSync(directory, aside);
  return aside;
}

/**
 * Whose process has locked a directory.
 *
 * @param proc a proc file system in which the node's processes are.
 * @returns undefined when nobody has, or nobody who can be seen from there.
 */
export function lockHolder(directory: string, proc: string): number | undefined {
  try {
    const { dev, ino } = statSync(directory, { bigint: true });
    return parseLocks(readFileSync(path.join(proc, 'locks'), 'utf8'), deviceOf(dev), ino);
  } catch {
    return undefined;
  }
}

/**
 * Pure.
 *
 * @param text /proc/locks: `1: FLOCK  ADVISORY  WRITE 4711 00:1f:1234 0 EOF`, the device in hexadecimal.
 * @returns the process that has locked the file as a whole; those that wait (`->`) have not.
 */
export function parseLocks(text: string, device: string, inode: bigint): number | undefined {
  const file = `${device}:${inode}`;
  for (const line of text.split('\n')) {
    const [, kind, , , pid, at] = line.trim().split(/\s+/);
    if (kind === 'FLOCK' && at === file && Number(pid) > 0) return Number(pid);
  }
  return undefined;
}

/** As /proc/locks has it. `dev` is as stat() has it (makedev of glibc). */
function deviceOf(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
}

function lockedDirectory(directory: string, make: () => void): number | undefined {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    make();
    const fd = open(directory);
    if (fd === undefined) continue;
    try {
      if (!tryLock(fd, directory)) {
        closeSync(fd);
        return undefined;
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    // Who had it before may have been removing it.
    if (isAt(fd, directory)) return fd;
    closeSync(fd);
  }
  throw new EnvironmentError(`cannot lock ${directory}: it is removed again and again`);
}

/** @returns undefined when it is not there. */
function open(directory: string): number | undefined {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new EnvironmentError(`cannot lock ${directory}: ${message}`, { cause });
  }
}

function isAt(fd: number, directory: string): boolean {
  const locked = fstatSync(fd, { bigint: true });
  const found: BigIntStats | undefined = statSync(directory, {
    bigint: true,
    throwIfNoEntry: false,
  });
  return found?.ino === locked.ino && found.dev === locked.dev;
}
