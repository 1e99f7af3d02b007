// SPDX-License-Identifier: Apache-2.0
// The lab's Kubernetes API server: the real HTTP protocol over an ObjectStore, without TLS and
// without authentication. This file is the edge: sockets, requests, answers and the faults that tests
// ask for; what a request means is in api/.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  type AddressInfo,
  createServer as createNetServer,
  type ListenOptions,
  Server as NetServer,
  type Socket,
} from 'node:net';
import type { Logger } from '../../agent/telemetry/log.ts';
import { type Answer, readBody, send, sendDocument } from './api/http-answer.ts';
import { Lists } from './api/list.ts';
import { type ObjectRoute, Objects } from './api/objects.ts';
import { negotiate } from './api/representation.ts';
import { parseRoute, type Route } from './api/route.ts';
import { parseSelectors } from './api/selectors.ts';
import { deleted, failure } from './api/status.ts';
import { type GoneForm, serveWatch } from './api/watch.ts';
import { ApiError } from './api-error.ts';
import type { ObjectStore } from './object-store.ts';

export interface ApiServerOptions {
  readonly log?: Logger;
  /** Time between bookmarks on a watch that allows them. Default 60 s, as in Kubernetes. */
  readonly bookmarkEveryMs?: number;
  /** Whether deleting a Pod that is on a node leaves its end to whoever plays the kubelet. Default false. */
  readonly gracefulPodDeletion?: boolean;
}

export class ApiServer {
  readonly #store: ObjectStore;
  readonly #lists: Lists;
  readonly #objects: Objects;
  readonly #log: Logger | undefined;
  readonly #bookmarkEveryMs: number;
  /** Never listens itself: sockets come from any number of net.Servers. */
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  readonly #listeners = new Map<NetServer, (socket: Socket) => void>();
  readonly #own = new Set<NetServer>();
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<ServerResponse>();
  #refusal: number | undefined;
  #gone: GoneForm = 'event';

  constructor(
    store: ObjectStore,
    { log, bookmarkEveryMs = 60_000, gracefulPodDeletion = false }: ApiServerOptions = {},
  ) {
    this.#store = store;
    this.#lists = new Lists(store);
    this.#objects = new Objects(store, { gracefulPodDeletion });
    this.#log = log;
    this.#bookmarkEveryMs = bookmarkEveryMs;
    // An idle connection that the server closes just as a client writes to it would look like a fault.
    this.#http.keepAliveTimeout = 0;
    this.#http.requestTimeout = 0;
    this.#http.headersTimeout = 0;
  }

  /**
   * Serves on one more listener; may be called several times.
   *
   * @param where where to listen, or a net.Server that somebody else listens with (it is not closed
   *   with this API server, only no longer served).
   * @returns the port, 0 when the listener has none.
   */
  async listen(where: ListenOptions | NetServer): Promise<number> {
    const server = where instanceof NetServer ? where : createNetServer();
    const accept = (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#http.emit('connection', socket);
    };
    server.on('connection', accept);
    this.#listeners.set(server, accept);
    if (!(where instanceof NetServer)) {
      this.#own.add(server);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(where, () => {
          server.off('error', reject);
          resolve();
        });
      });
    }
    return (server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Stops listening and ends every connection at once, open watches too. */
  async close(): Promise<void> {
    for (const [server, accept] of this.#listeners) server.off('connection', accept);
    this.#listeners.clear();
    for (const socket of this.#sockets) socket.destroy();
    const closed = [...this.#own].map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    this.#own.clear();
    await Promise.all(closed);
  }

  /** Watches open now. */
  get watchCount(): number {
    return this.#watches.size;
  }

  /** Fault: breaks the connection of every open watch, in the middle of the stream. */
  disconnectWatches(): void {
    for (const response of this.#watches) response.destroy();
  }

  /**
   * Fault: forgets all history, so that whoever resumes a watch or goes on with a paginated list is
   * told 410 and has to list again. Open watches are not touched.
   *
   * @param gone how a watch is told: as an ERROR event, as Kubernetes' watch cache does, or as the status.
   */
  compact(gone: GoneForm = 'event'): void {
    this.#gone = gone;
    this.#store.compact();
    this.#lists.compact();
  }

  /**
   * Fault: answers every request with `status` and a Status body, until called with undefined. Open
   * watches stay open: see {@link disconnectWatches}.
   */
  refuse(status: number | undefined): void {
    this.#refusal = status;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://lab');
    const method = request.method ?? 'GET';
    response.once('close', () => {
      this.#log?.debug({ method, url: request.url, status: response.statusCode }, 'api request');
    });
    try {
      const text = await readBody(request);
      if (this.#refusal) throw new ApiError(this.#refusal, 'refused on request of the test');
      const mediaType = (request.headers['content-type'] ?? '').split(';')[0] ?? '';
      const accept = request.headers.accept ?? '';
      const route = parseRoute(url.pathname);
      if (route && isWatch(method, route, url.searchParams)) {
        this.#watch(route, url.searchParams, accept, response);
      } else if (route) {
        send(response, this.#answer(method, route, url.searchParams, accept, { mediaType, text }));
      } else {
        sendDocument(url.pathname, accept, response);
      }
    } catch (error) {
      this.#fail(error, response);
    }
  }

  #watch(route: Route, query: URLSearchParams, accept: string, response: ServerResponse): void {
    this.#watches.add(response);
    response.once('close', () => this.#watches.delete(response));
    serveWatch({
      store: this.#store,
      lists: this.#lists,
      route,
      query,
      representation: negotiate(route.resource, accept, query),
      response,
      bookmarkEveryMs: this.#bookmarkEveryMs,
      gone: this.#gone,
    });
  }

  #answer(
    method: string,
    route: Route,
    query: URLSearchParams,
    accept: string,
    body: { mediaType: string; text: string },
  ): Answer {
    if (method !== 'GET' && query.has('dryRun')) {
      throw new ApiError(400, 'dryRun is not supported by this server');
    }
    const { one, list } = negotiate(route.resource, accept, query);
    const { name } = route;
    if (name === undefined) {
      if (method === 'GET') return { body: list(this.#lists.page(route, query)) };
      if (method === 'POST') return { status: 201, body: one(this.#objects.create(route, body)) };
      if (method === 'DELETE') return { body: JSON.stringify(this.#deleteAll(route, query)) };
      throw new ApiError(405, `the server does not allow ${method} on a collection`);
    }
    const objectRoute: ObjectRoute = { ...route, name };
    const wire = route.subresource === 'scale' ? JSON.stringify : one;
    if (method === 'GET') return { body: wire(this.#objects.get(objectRoute)) };
    if (method === 'PUT') return { body: wire(this.#objects.replace(objectRoute, body)) };
    if (method === 'PATCH') {
      const { object, isNew } = this.#objects.patch(objectRoute, body);
      return { status: isNew ? 201 : 200, body: wire(object) };
    }
    if (method === 'DELETE' && !route.subresource) {
      const { gone, object } = this.#objects.delete(objectRoute, query, body);
      return { body: gone ? JSON.stringify(deleted(route.resource, object)) : one(object) };
    }
    throw new ApiError(405, `the server does not allow ${method} on this path`);
  }

  #deleteAll(route: Route, query: URLSearchParams): object {
    const body = { mediaType: '', text: '' };
    for (const { metadata } of this.#lists.select(route, parseSelectors(route.resource, query))) {
      const { namespace = '', name } = metadata;
      this.#objects.delete({ ...route, namespace, name }, query, body);
    }
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  }

  #fail(error: unknown, response: ServerResponse): void {
    const isOurs = error instanceof ApiError;
    if (!isOurs) this.#log?.error({ err: error }, 'api request failed');
    const refusal = isOurs ? error : new ApiError(500, `Internal error: ${error}`);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (refusal.code === 429) response.setHeader('retry-after', '1');
    send(response, { status: refusal.code, body: JSON.stringify(failure(refusal)) });
  }
}

function isWatch(method: string, route: Route, query: URLSearchParams): boolean {
  return method === 'GET' && !route.subresource && /^(1|true)$/.test(query.get('watch') ?? '');
}
