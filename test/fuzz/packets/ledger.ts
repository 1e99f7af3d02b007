// SPDX-License-Identifier: Apache-2.0
// What has been seen of translated connections: which client, which service address, which source and backend.
// Knows how long they live (docs/datapath.md) and nothing of tables. Time is in seconds, and is the test's own.

import type { IpFamily } from '../../../agent/model/address.ts';
import { FLAGS, reverse, TCP, type Tuple, tupleKey, UDP } from './wire.ts';

export interface Connection {
  readonly family: IpFamily;
  /** undefined: to a backend itself. */
  readonly servicePort: string | undefined;
  /** client > service address */
  readonly request: Tuple;
  /** source > backend */
  readonly translated: Tuple;
  readonly isMasqueraded: boolean;
  /** Nobody keeps in mind which backends elsewhere serve. */
  readonly isForgotten: boolean;
  usedAt: number;
  /** The backend has answered. */
  hasReplied: boolean;
  /** The client has gone on after that. */
  hasAcknowledged: boolean;
  requestFin: boolean;
  replyFin: boolean;
  /** TCP: the backend ended first, and is in TIME_WAIT once both have. */
  isReplyFinFirst: boolean;
  isReset: boolean;
  /** Its Service has been away. */
  isOrphaned: boolean;
  /** A half was taken away, or another connection has its place: nothing can be said but what it must not become. */
  isBroken: boolean;
}

export type Direction = 'request' | 'reply';

/** A direction of a connection. */
export interface Known {
  readonly connection: Connection;
  readonly direction: Direction;
}

/** One half of a translation through the stack: what comes out of the other half. */
export interface Middle extends Known {
  readonly becomes: Tuple;
}

/** Ages that close to a time-out are neither. */
const TOLERANCE = 2;

export class Ledger {
  now = 0;
  readonly #requests = new Map<string, Connection>();
  readonly #replies = new Map<string, Connection>();
  readonly #middles = new Map<string, Middle>();

  find(tuple: Tuple): Known | undefined {
    const key = tupleKey(tuple);
    const request = this.#requests.get(key);
    if (request) return { connection: request, direction: 'request' };
    const reply = this.#replies.get(key);
    return reply && { connection: reply, direction: 'reply' };
  }

  middle(tuple: Tuple): Middle | undefined {
    return this.#middles.get(tupleKey(tuple));
  }

  get connections(): Connection[] {
    return [...new Set([...this.#requests.values(), ...this.#replies.values()])];
  }

  /** Of all that reply to the source: whose a new connection with the same would be. */
  holder(translated: Tuple): Connection | undefined {
    return this.#replies.get(tupleKey(reverse(translated)));
  }

  add(connection: Connection): void {
    const requestKey = tupleKey(connection.request);
    const replyKey = tupleKey(reverse(connection.translated));
    const before = this.#requests.get(requestKey);
    if (before && !before.isBroken) this.#forgetReply(before);
    const holder = this.#replies.get(replyKey);
    if (holder) holder.isBroken = true;
    this.#requests.set(requestKey, connection);
    this.#replies.set(replyKey, connection);
  }

  forget(connection: Connection): void {
    const key = tupleKey(connection.request);
    if (this.#requests.get(key) === connection) this.#requests.delete(key);
    this.#forgetReply(connection);
  }

  /** Replies of a backend that is in TIME_WAIT go on being translated, for as long as that lasts. */
  #forgetReply(connection: Connection): void {
    if (hasEnded(connection) && connection.isReplyFinFirst) {
      connection.isBroken = true;
      return;
    }
    const key = tupleKey(reverse(connection.translated));
    if (this.#replies.get(key) === connection) this.#replies.delete(key);
  }

  /** Notes that a packet, `out` after its first half, goes on through the stack, and both ways to the second. */
  addMiddle(out: Tuple, { connection, direction }: Known): void {
    const there = direction === 'request' ? out : reverse(out);
    const { request, translated } = connection;
    const becomes = { request: translated, reply: reverse(request) };
    this.#middles.set(tupleKey(there), {
      connection,
      direction: 'request',
      becomes: becomes.request,
    });
    this.#middles.set(tupleKey(reverse(there)), {
      connection,
      direction: 'reply',
      becomes: becomes.reply,
    });
  }

  /** Notes that a packet of the connection was translated. */
  use({ connection, direction }: Known, flags: number): void {
    connection.usedAt = this.now;
    const isEndingPacket = (flags & (FLAGS.RST | FLAGS.SYN | FLAGS.FIN)) !== 0;
    if (direction === 'reply' && !isEndingPacket) connection.isReset = false;
    if (direction === 'reply') connection.hasReplied = true;
    else if (
      connection.hasReplied &&
      (connection.request.protocol !== TCP || (flags & (FLAGS.ACK | FLAGS.SYN)) === FLAGS.ACK)
    )
      connection.hasAcknowledged = true;
    if (flags & FLAGS.RST) connection.isReset = true;
    if (flags & FLAGS.FIN) {
      if (direction === 'request') connection.requestFin = true;
      else if (!connection.replyFin) {
        connection.isReplyFinFirst = !connection.requestFin;
        connection.replyFin = true;
      }
    }
  }

  /** Whether it must make room when there is nothing else: nobody has gone on with it for seconds. */
  isIdle({ usedAt, hasAcknowledged }: Connection): boolean {
    return !hasAcknowledged && this.now - usedAt > 3 - TOLERANCE;
  }

  /** Whether its time is over. */
  age(connection: Connection): 'alive' | 'over' | 'unsure' {
    // It makes room where ports run out, and a backend that goes on takes it back.
    if (connection.isReset) return 'unsure';
    const idle = this.now - connection.usedAt;
    const [shortest, longest] = timeoutsOf(connection);
    if (idle < shortest - TOLERANCE) return this.isIdle(connection) ? 'unsure' : 'alive';
    return idle > longest + TOLERANCE ? 'over' : 'unsure';
  }
}

/** TCP: either end has ended. */
export function isEnding({ requestFin, replyFin, isReset }: Connection): boolean {
  return requestFin || replyFin || isReset;
}

/** TCP: both ends have ended, or it was reset. Its place may be taken. */
export function hasEnded({ requestFin, replyFin, isReset }: Connection): boolean {
  return (requestFin && replyFin) || isReset;
}

/** From and to. */
function timeoutsOf(connection: Connection): readonly [number, number] {
  const { protocol } = connection.request;
  const { hasAcknowledged, isReplyFinFirst } = connection;
  const exactly = (seconds: number) => [seconds, seconds] as const;
  if (protocol === UDP) return exactly(hasAcknowledged ? 120 : 30);
  if (protocol !== TCP) return exactly(hasAcknowledged ? 300 : 60);
  if (hasEnded(connection)) return exactly(isReplyFinFirst ? 60 : 10);
  if (isEnding(connection)) return exactly(3600);
  return exactly(hasAcknowledged ? 24 * 3600 : 60);
}

/** What packets of one direction become. */
export function becomes({ connection, direction }: Known): Tuple {
  return direction === 'request' ? connection.translated : reverse(connection.request);
}

export function connectionText(connection: Connection): string {
  const {
    request,
    translated,
    isMasqueraded,
    hasReplied,
    requestFin,
    replyFin,
    isReset,
    isBroken,
  } = connection;
  const words = Object.entries({
    isMasqueraded,
    hasReplied,
    requestFin,
    replyFin,
    isReset,
    isBroken,
  })
    .filter(([, is]) => is)
    .map(([word]) => word);
  return [`${tupleKey(request)} = ${tupleKey(translated)}`, ...words].join(' ');
}
