// SPDX-License-Identifier: Apache-2.0
// The network namespace that this thread is in, and a look into others.

import { closeSync, openSync } from 'node:fs';
import { libc, succeed } from './libc.ts';

/** linux/sched.h */
const CLONE_NEWNET = 0x40000000;
/** asm-generic/socket.h; SO_NETNS_COOKIE is there since kernel 5.14. */
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

/** Going back needs a little memory in the kernel, and there may be none for a moment. */
const RETURN_ATTEMPTS = 100;

/** What the programs know this network namespace by (bpf_get_netns_cookie). Never 0, never used again. */
export function netnsCookie(): bigint {
  const attempted = 'read the cookie of the network namespace';
  const socket = succeed(libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), attempted);
  try {
    const cookie = Buffer.alloc(8);
    const length: [number] = [cookie.length];
    succeed(libc().getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, cookie, length), attempted);
    return cookie.readBigUInt64LE();
  } finally {
    closeSync(socket);
  }
}

/**
 * Runs `body` with this thread in another network namespace. `body` must not start anything that goes on
 * elsewhere: only this thread moves, and a thread that is born meanwhile stays there for good. Hence nothing
 * asynchronous. What it opens belongs to that namespace afterwards too.
 *
 * @param namespace descriptor of a file like /proc/PID/ns/net.
 * @throws KernelError when it cannot be entered.
 */
export function insideNetns<T>(namespace: number, body: () => T): T {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    succeed(libc().setns(namespace, CLONE_NEWNET), 'enter another network namespace');
    try {
      return body();
    } finally {
      goBack(own);
    }
  } finally {
    closeSync(own);
  }
}

/** Ends the process rather than go on in a foreign namespace: connections do not need it, and it is started again. */
function goBack(own: number): void {
  for (let attempt = 1; attempt <= RETURN_ATTEMPTS; attempt++) {
    if (libc().setns(own, CLONE_NEWNET) === 0) return;
  }
  console.error('cannot go back to the own network namespace: the process ends');
  process.exit(1);
}
