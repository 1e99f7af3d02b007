// SPDX-License-Identifier: Apache-2.0
// An HTTP server on loopback that answers the n-th request with the n-th step of a script; when the
// script is at its end it does not answer. Used by the tests beside it.

import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';

export type Step = (response: ServerResponse, request: IncomingMessage) => unknown;

export interface ScriptedServer {
  readonly url: URL;
  /** Every request that came, in order. */
  readonly requests: readonly {
    readonly path: string;
    readonly query: Readonly<Record<string, string>>;
    readonly headers: http.IncomingHttpHeaders;
  }[];
  /** Connections that are open now. */
  readonly connections: ReadonlySet<unknown>;
}

/** @param tls makes it an HTTPS server. */
export async function startScript(
  t: ExecutionContext,
  steps: readonly Step[],
  tls?: https.ServerOptions,
): Promise<ScriptedServer> {
  const requests: ScriptedServer['requests'][number][] = [];
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '', 'http://server');
    const step = steps[requests.length];
    const query = Object.fromEntries(url.searchParams);
    requests.push({ path: url.pathname, query, headers: request.headers });
    step?.(response, request);
  };
  const server = tls ? https.createServer(tls, serve) : http.createServer(serve);
  const connections = new Set<unknown>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`${tls ? 'https' : 'http'}://127.0.0.1:${port}`),
    requests,
    connections,
  };
}

/** One page of a list. */
export function page(
  items: readonly unknown[],
  metadata: { resourceVersion: string; continue?: string },
): Step {
  return (response) => {
    response.end(JSON.stringify({ kind: 'List', metadata, items }));
  };
}

/** A refusal with a Kubernetes Status in its body. */
export function refusal(
  code: number,
  message: string,
  headers: http.OutgoingHttpHeaders = {},
): Step {
  return (response) => {
    response.writeHead(code, headers);
    response.end(JSON.stringify({ kind: 'Status', status: 'Failure', code, message }));
  };
}

/** How a watch ends: by the server's time-out, by a broken connection, or not at all. */
export type WatchEnd = 'ended' | 'cut' | 'open';

/** A watch that sends `chunks`, each as its own piece on the wire. */
export function watch(chunks: readonly (string | Buffer)[], end: WatchEnd): Step {
  return async (response) => {
    response.flushHeaders();
    for (const chunk of chunks) {
      await new Promise((resolve) => response.write(chunk, resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (end === 'ended') response.end();
    // Its last bytes are on their way: a reset would overtake them.
    if (end === 'cut') response.socket?.end();
  };
}

/** One line of a watch. */
export function event(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}
