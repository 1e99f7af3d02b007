// SPDX-License-Identifier: Apache-2.0
// An HTTP proxy before the lab's API server that does to requests and answers what broken servers, load balancers and
// networks do; api-faults.ts has what. Without a fault all goes through as it is.

import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { Server as NetServer, Socket } from 'node:net';
import { pipeline } from 'node:stream';

/** One request, as a fault sees it. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly isWatch: boolean;
  readonly response: ServerResponse;
  /** Asks the server behind. */
  ask(): Promise<IncomingMessage>;
}

/** Answers in place of the server; what it throws cuts the connection. */
export type Fault = (exchange: Exchange) => unknown;

export interface ProxiedRequest {
  readonly atMs: number;
  readonly method: string;
  readonly path: string;
  readonly isWatch: boolean;
}

interface Injected {
  readonly fault: Fault;
  readonly only: (exchange: Exchange) => boolean;
}

export class FaultyProxy {
  /** Every request that came, in order. */
  readonly requests: ProxiedRequest[] = [];
  /** Whether connections are broken off as they come. */
  isDown = false;
  readonly #port: number;
  /** Never listens itself. */
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  readonly #sockets = new Set<Socket>();
  readonly #injected: Injected[] = [];

  /** @param port of the server behind, on this machine's loopback. */
  constructor(port: number) {
    this.#port = port;
    this.#http.keepAliveTimeout = 0;
  }

  /** Serves what somebody else listens with. */
  accept(listener: NetServer): void {
    listener.on('connection', (socket) => {
      if (this.isDown) return socket.destroy();
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#sockets.delete(socket));
      socket.setNoDelay(true);
      return this.#http.emit('connection', socket);
    });
  }

  /** From now on, also beside others: the latest counts. @returns takes it back. */
  inject(fault: Fault, only: Injected['only'] = () => true): () => void {
    const injected = { fault, only };
    this.#injected.unshift(injected);
    return () => {
      const at = this.#injected.indexOf(injected);
      if (at >= 0) this.#injected.splice(at, 1);
    };
  }

  /** Ends every connection, so that everybody comes anew. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://proxy');
    const { method = 'GET' } = request;
    const isWatch = url.searchParams.has('watch');
    this.requests.push({ atMs: performance.now(), method, path: url.pathname, isWatch });
    const ask = () => this.#ask(request, response);
    const exchange = { method, url, isWatch, response, ask };
    const { fault } = this.#injected.find(({ only }) => only(exchange)) ?? { fault: passed };
    try {
      await fault(exchange);
    } catch {
      response.destroy();
    }
  }

  #ask(request: IncomingMessage, response: ServerResponse): Promise<IncomingMessage> {
    const { method, headers, url: path } = request;
    return new Promise((resolve, reject) => {
      const asked: ClientRequest = send(
        { host: '127.0.0.1', port: this.#port, path, method, headers, agent: false },
        resolve,
      );
      asked.on('error', reject);
      response.once('close', () => asked.destroy());
      request.pipe(asked);
    });
  }
}

async function passed({ response, ask }: Exchange): Promise<void> {
  const answer = await ask();
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  response.flushHeaders();
  pipeline(answer, response, () => {});
}
