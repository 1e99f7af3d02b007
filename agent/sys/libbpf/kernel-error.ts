// SPDX-License-Identifier: Apache-2.0
// What the kernel or libbpf answered when it said no.

import { getSystemErrorMap } from 'node:util';

export const ENOENT = 2;

export class KernelError extends Error {
  /** Positive errno. */
  readonly errno: number;
  /** 'ENOENT' and the like. */
  readonly code: string;

  /** @param attempted what was attempted, on what: "attach connect4 to cgroup /sys/fs/cgroup" */
  constructor(attempted: string, errno: number, detail = '') {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    super(`cannot ${attempted}: ${code} (${text})${detail && `; ${detail}`}`);
    this.name = 'KernelError';
    this.errno = errno;
    this.code = code;
  }
}

/** Whether `error` says that the thing is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KernelError && error.code === 'ENOENT';
}
