// SPDX-License-Identifier: Apache-2.0
// mount(2), which Node has no function for. Used by bpf-filesystem.ts, once in a node's life.

import koffi from 'koffi';
import { lastErrno } from './ffi.ts';
import { KernelError } from './kernel-error.ts';

/** sys/mount.h: no programs of other users, no device files, nothing to execute. */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

/** @param options as `mount -o` takes those of the file system. @throws KernelError */
export function mount(type: string, directory: string, options: string): void {
  const call = koffi
    .load('libc.so.6')
    .func('int mount(str source, str target, str type, unsigned long flags, str data)');
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (call(type, directory, type, flags, options) === -1) {
    throw new KernelError(
      `mount a ${type} file system at ${directory}`,
      lastErrno(),
      '',
      `run it privileged (CAP_SYS_ADMIN), or mount one on the host: mount -t ${type} ${type} ${directory}`,
    );
  }
}
