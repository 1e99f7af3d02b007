// SPDX-License-Identifier: Apache-2.0
// The prefix of everything that a lab makes on the machine: namespaces, cgroups, pins, temporary files.
// It carries the pid of its owner, so that parallel runs do not meet and a later run recognises what a
// killed one left behind.

import { randomInt } from 'node:crypto';

const PREFIX = 'sblab';
const PATTERN = /^sblab-(\d+)-[0-9a-z]{4}/;

/** A new id, such as `sblab-4711-k3f0`. Several labs of one process get different ones. */
export function newLabId(): string {
  const suffix = randomInt(36 ** 4)
    .toString(36)
    .padStart(4, '0');
  return `${PREFIX}-${process.pid}-${suffix}`;
}

/** @returns the lab id that `name` starts with, when the process that owned that lab is gone. */
export function deadLabOf(name: string): string | undefined {
  const [id, pid] = PATTERN.exec(name) ?? [];
  return id !== undefined && !isAlive(Number(pid)) ? id : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
