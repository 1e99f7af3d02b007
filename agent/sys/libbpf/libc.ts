// SPDX-License-Identifier: Apache-2.0
// The system calls that Node has no function for, through libc. Only files in this folder use them.

import koffi from 'koffi';
import { lastErrno } from './ffi.ts';
import { KernelError } from './kernel-error.ts';

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: [number]): number;
  setns(fd: number, kind: number): number;
  flock(fd: number, operation: number): number;
  mallocTrim(pad: number): number;
  mallopt(param: number, value: number): number;
}

let loaded: Libc | undefined;

/** The library, loaded at first use. Functions return -1 when they fail: see {@link succeed}. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/** @returns `result` of the call just made. @throws KernelError when it is -1. */
export function succeed(result: number, attempted: string, hint?: string): number {
  if (result === -1) throw new KernelError(attempted, lastErrno(), '', hint);
  return result;
}

function load(): Libc {
  const lib = koffi.load('libc.so.6');
  return {
    socket: lib.func('int socket(int domain, int type, int protocol)'),
    bind: lib.func('int bind(int fd, const void *address, uint32_t length)'),
    getsockopt: lib.func(
      'int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32_t *length)',
    ),
    setns: lib.func('int setns(int fd, int kind)'),
    flock: lib.func('int flock(int fd, int operation)'),
    mallocTrim: lib.func('int malloc_trim(size_t pad)'),
    mallopt: lib.func('int mallopt(int param, int value)'),
  };
}
