// SPDX-License-Identifier: Apache-2.0
// What the kernel or libbpf answered when it said no.

import { getSystemErrorMap } from 'node:util';
import { EnvironmentError } from '../../errors.ts';

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const EOPNOTSUPP = 95;

/** What usually mends an errno, where there is such a thing. */
const HINTS: Readonly<Record<string, string>> = {
  EPERM: 'run as root, or with CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN',
  ENOSPC: 'the table is full',
  E2BIG: 'the table is full',
  ENOMEM:
    'the kernel has no memory left for it, or a memory limit of this process does not allow it',
};

export class KernelError extends EnvironmentError {
  /** Positive errno. */
  readonly errno: number;
  /** 'ENOENT' and the like. */
  readonly code: string;

  /**
   * @param attempted what was attempted, on what: "attach connect4 to cgroup /sys/fs/cgroup"
   * @param detail what else was said about it.
   * @param ownHint where the usual cure of the errno does not help.
   */
  constructor(attempted: string, errno: number, detail = '', ownHint?: string) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
    const hint = ownHint ?? HINTS[code];
    super(
      `cannot ${attempted}: ${code} (${text})${detail && `; ${detail}`}`,
      hint === undefined ? {} : { hint },
    );
    this.errno = errno;
    this.code = code;
  }
}

/** Whether `error` says that the thing is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KernelError && error.code === 'ENOENT';
}
