// SPDX-License-Identifier: Apache-2.0
// A netlink socket: questions to the kernel and what it tells by itself. Never waits: the kernel answers a
// question while it is sent. What arrives is from the kernel, as on these protocols nobody without
// CAP_NET_ADMIN may send to others.

import { closeSync, readSync, writeSync } from 'node:fs';
import { node } from 'koffi';
import { EnvironmentError } from '../../errors.ts';
import {
  decodeMessages,
  encodeRequest,
  type NetlinkMessage,
  outcomeOf,
} from '../netlink-messages.ts';
import { libc, succeed } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;

/** linux/netlink.h */
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NETFILTER = 12;

/** Offsets in struct sockaddr_nl. */
const ADDRESS = { size: 12, family: 0, groups: 8 } as const;

/** The kernel makes no datagram of a dump larger than 32 KiB (net/netlink/af_netlink.c). */
const DATAGRAM_SIZE = 64 << 10;

/** A question: the protocol's own type, NLM_F_* flags and its payload. */
export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

export class NetlinkSocket {
  readonly #fd: number;
  #poll: node.PollHandle | undefined;
  #sequence = 0;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * A socket of the network namespace that this thread is in.
   *
   * @param groups bits of the groups whose messages it is to hear.
   */
  static open(protocol: number, groups = 0): NetlinkSocket {
    const attempted = `open a netlink socket of protocol ${protocol}`;
    const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const fd = succeed(libc().socket(AF_NETLINK, type, protocol), attempted);
    const address = Buffer.alloc(ADDRESS.size);
    address.writeUInt16LE(AF_NETLINK, ADDRESS.family);
    address.writeUInt32LE(groups, ADDRESS.groups);
    try {
      succeed(libc().bind(fd, address, address.length), attempted);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return new NetlinkSocket(fd);
  }

  /**
   * Asks, and shows each message of the answer but the last, which says how it went.
   *
   * @returns positive errno; 0 for success.
   * @throws EnvironmentError when the answer has no end.
   */
  ask(request: NetlinkRequest, visit: (message: NetlinkMessage) => void = () => {}): number {
    const pieces = this.askInPieces(request);
    for (;;) {
      const { done, value } = pieces.next();
      if (done) return value;
      for (const message of value) visit(message);
    }
  }

  /**
   * The same by the datagrams of the answer, which the kernel makes one by one, as they are read: nothing else may be
   * asked meanwhile, and this one must be heard to its end.
   */
  *askInPieces({ type, flags, payload }: NetlinkRequest): Generator<NetlinkMessage[], number> {
    const sequence = ++this.#sequence;
    writeSync(this.#fd, encodeRequest(type, flags, sequence, payload));
    for (;;) {
      const datagram = this.receive();
      if (!datagram) throw new EnvironmentError('the kernel did not end its netlink answer');
      const messages: NetlinkMessage[] = [];
      for (const message of decodeMessages(datagram)) {
        if (message.sequence !== sequence) continue;
        const outcome = outcomeOf(message);
        if (outcome !== undefined) {
          if (messages.length) yield messages;
          return outcome;
        }
        messages.push(message);
      }
      yield messages;
    }
  }

  /** What has arrived; undefined when nothing is left. @throws Error with code ENOBUFS when something was lost. */
  receive(): Uint8Array | undefined {
    const datagram = Buffer.allocUnsafe(DATAGRAM_SIZE);
    try {
      return datagram.subarray(0, readSync(this.#fd, datagram));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
      throw error;
    }
  }

  /** Calls `callback` whenever something has arrived, until {@link close}; it keeps the process alive meanwhile. */
  onReadable(callback: () => void): void {
    this.#poll = node.poll(this.#fd, { readable: true }, callback);
  }

  close(): void {
    this.#poll?.close();
    closeSync(this.#fd);
  }
}
