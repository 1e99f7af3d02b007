// SPDX-License-Identifier: Apache-2.0
// HTTP for whoever asks, on ports that everybody reaches: small answers, one to a connection, from one server for any
// number of listeners. Used by the health servers.
//
// Invariant: what clients do costs a bounded number of connections, for a bounded time each. When all are taken the
// oldest of the peer that has most makes room, so that one that holds many open keeps nobody out; nor do many peers,
// among whom it is the oldest of all: an honest client needs a few milliseconds.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import net from 'node:net';
import { http } from '../node-http.ts';

export interface ConnectionLimits {
  /** Open at once, over all listeners. */
  readonly connections: number;
  /** From its first packet to the last byte of its answer. */
  readonly lifetimeMs: number;
  readonly headerBytes: number;
}

const LIMITS: ConnectionLimits = { connections: 128, lifetimeMs: 10_000, headerBytes: 8192 };
/** Connections that wait in the kernel; more than {@link LIMITS} would be closed before they are answered. */
const BACKLOG = 128;

export interface ListenOptions<Context> {
  readonly host: string;
  readonly port: number;
  /** Of an IPv6 host: not its IPv4 form besides. */
  readonly ipv6Only: boolean;
  /** What the answer is told of connections to here. */
  readonly context: Context;
  readonly onListening: () => void;
  /** It does not listen, and never will. */
  readonly onError: (error: Error) => void;
}

export interface HttpListener {
  /** undefined while it does not listen. */
  readonly address: net.AddressInfo | undefined;
  /** Frees the port at once. Connections that have been accepted are still answered. */
  close(): void;
}

/** Answers a request at once; must not throw. */
export type Answer<Context> = (
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
) => void;

export class HttpConnections<Context> {
  readonly #http: Server;
  readonly #limits: ConnectionLimits;
  /** Those open, with what ends each; the oldest stands first. */
  readonly #open = new Map<net.Socket, NodeJS.Timeout>();
  readonly #contexts = new WeakMap<net.Socket, Context>();

  constructor(answer: Answer<Context>, limits: ConnectionLimits = LIMITS) {
    this.#limits = limits;
    // It never listens itself: connections are handed to it.
    this.#http = http.createServer({ maxHeaderSize: limits.headerBytes }, (request, response) => {
      response.shouldKeepAlive = false;
      answer(request, response, this.#contexts.get(request.socket) as Context);
      // Unread bytes of a body would reset the connection before the answer arrives.
      request.resume();
    });
  }

  /** @returns the listener, which is its owner's to close. */
  listen(options: ListenOptions<Context>): HttpListener {
    const { host, port, ipv6Only, context, onListening, onError } = options;
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#contexts.set(socket, context);
      this.#accept(socket);
    });
    let isClosed = false;
    server.once('listening', () => {
      // What is closed in the moment it is opened listens all the same (Node 24: the host is looked up first).
      if (isClosed) server.close();
      else onListening();
    });
    server.on('error', (error) => {
      // One connection that cannot be accepted is not the end of it.
      if (!server.listening && !isClosed) onError(error);
    });
    server.listen({ host, port, ipv6Only, backlog: BACKLOG });
    return {
      get address() {
        return server.listening && !isClosed ? (server.address() as net.AddressInfo) : undefined;
      },
      close() {
        isClosed = true;
        server.close();
      },
    };
  }

  /** Ends all connections. Listeners are their owners'. */
  close(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #accept(socket: net.Socket): void {
    const { connections, lifetimeMs } = this.#limits;
    if (this.#open.size >= connections) this.#makeRoom();
    const timer = setTimeout(() => this.#end(socket), lifetimeMs);
    this.#open.set(socket, timer);
    socket.once('close', () => this.#forget(socket));
    this.#http.emit('connection', socket);
  }

  #makeRoom(): void {
    const ofPeer = Map.groupBy(this.#open.keys(), ({ remoteAddress }) => remoteAddress);
    let most: readonly net.Socket[] = [];
    // In the order of their oldest: of equals the first counts.
    for (const sockets of ofPeer.values()) if (sockets.length > most.length) most = sockets;
    const [oldest] = most;
    if (oldest) this.#end(oldest);
  }

  #end(socket: net.Socket): void {
    this.#forget(socket);
    socket.destroy();
  }

  #forget(socket: net.Socket): void {
    clearTimeout(this.#open.get(socket));
    this.#open.delete(socket);
  }
}
