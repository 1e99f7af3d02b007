// SPDX-License-Identifier: Apache-2.0
// The two ways to destroy stale sockets of one network namespace. Used by stale-sockets.ts, which finds them
// and looks afterwards whether they are gone.

import type { StaleSocket } from './layout.gen.ts';
import type { Iterator } from './libbpf/iterator.ts';
import { ENOENT, EOPNOTSUPP, KernelError } from './libbpf/kernel-error.ts';
import { NETLINK_SOCK_DIAG, NetlinkSocket } from './libbpf/netlink-socket.ts';
import { WANTS_ACK } from './netlink-messages.ts';

export interface SocketDestroyer {
  readonly method: 'iterator' | 'sock_diag';
  /**
   * Takes hold of the network namespace that this thread is in.
   *
   * @returns what destroys the sockets there, to be called once, from any namespace; it returns what went wrong.
   */
  prepare(): (sockets: readonly StaleSocket[]) => string | undefined;
  close(): void;
}

/** By the program in bpf/stale-destroy.bpf.c, which judges again, with the socket locked. */
export class IteratorDestroyer implements SocketDestroyer {
  readonly method = 'iterator';
  readonly #iterator: Iterator;

  /** Takes over `iterator`. */
  constructor(iterator: Iterator) {
    this.#iterator = iterator;
  }

  prepare(): () => undefined {
    const run = this.#iterator.start();
    return () => void run.readAll();
  }

  close(): void {
    this.#iterator.close();
  }
}

/** linux/sock_diag.h */
const SOCK_DESTROY = 21;

/** By SOCK_DESTROY of sock_diag(7), a request for each socket (kernel 4.9, CONFIG_INET_DIAG_DESTROY). */
export class SockDiagDestroyer implements SocketDestroyer {
  readonly method = 'sock_diag';

  prepare(): (sockets: readonly StaleSocket[]) => string | undefined {
    const netlink = NetlinkSocket.open(NETLINK_SOCK_DIAG);
    return (sockets) => {
      try {
        const outcomes = sockets.map(({ request }) =>
          netlink.ask({ type: SOCK_DESTROY, flags: WANTS_ACK, payload: request }),
        );
        return describe(outcomes);
      } finally {
        netlink.close();
      }
    };
  }

  close(): void {}
}

/** @param outcomes positive errnos. ENOENT is a socket that is gone, or a kernel that cannot look for it. */
function describe(outcomes: readonly number[]): string | undefined {
  const refused = outcomes.find((errno) => errno !== 0 && errno !== ENOENT);
  if (refused !== undefined) {
    const hint = refused === EOPNOTSUPP ? 'it needs CONFIG_INET_DIAG_DESTROY' : '';
    return new KernelError('destroy UDP sockets by SOCK_DIAG', refused, hint).message;
  }
  return outcomes.includes(ENOENT)
    ? 'SOCK_DIAG does not find them; is there a kernel module udp_diag?'
    : undefined;
}
