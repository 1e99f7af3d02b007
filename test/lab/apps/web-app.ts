// SPDX-License-Identifier: Apache-2.0
// What the Kiada suite's servers have in common: one listener for both families, readiness that can be
// switched, something large to fetch, an orderly end.

import http from 'node:http';
import { parseAddress } from '../../../agent/model/address.ts';
import { formatHostPort } from '../host-port.ts';
import { DOWNLOAD_PATH, sendDownload } from './download.ts';

type Answer = (request: http.IncomingMessage) => unknown;

const PORT = Number(process.env.PORT ?? 8080);
const POD_NAME = process.env.HOSTNAME ?? '';
/** How long it goes on after SIGTERM, as if nothing had been said: until nobody sends new connections. */
const DRAIN_MS = Number(process.env.DRAIN_SECONDS ?? 0) * 1000;

/**
 * Serves `routes` (path: answer, sent as JSON) with the pod's name in the header `served-by`, and in `seen-as` the
 * address and port that the client came from. {@link DOWNLOAD_PATH} is large.
 * `/healthz/ready` is for the readiness probe; DELETE makes it fail and PUT makes it succeed again.
 * SIGTERM: after DRAIN_SECONDS (default 0) no new connections; the process ends when the open ones are done.
 */
export function serveApp(routes: Readonly<Record<string, Answer>>): void {
  let ready = true;
  const health: Answer = ({ method }) => {
    if (method === 'DELETE') ready = false;
    if (method === 'PUT') ready = true;
    return { ready };
  };
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://pod');
    const isHealth = pathname === '/healthz/ready';
    const answer = isHealth ? health : routes[pathname];
    response.setHeader('served-by', POD_NAME);
    response.setHeader('seen-as', clientOf(request));
    if (pathname === DOWNLOAD_PATH) {
      sendDownload(response);
      return;
    }
    try {
      const body = await answer?.(request);
      const unready = isHealth && request.method === 'GET' && !ready;
      response.statusCode = body === undefined ? 404 : unready ? 503 : 200;
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify({ ...(body ?? {}), servedBy: POD_NAME })}\n`);
    } catch (error) {
      response.statusCode = 502;
      response.end(`${(error as Error).message}\n`);
    }
  });
  server.listen({ host: '::', port: PORT });
  process.once('SIGTERM', () => {
    setTimeout(() => server.close(() => process.exit(0)), DRAIN_MS);
  });
  process.on('disconnect', () => process.exit(0));
}

/** One of `choices`, at random. */
export function pick<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)] as T;
}

/** IPv4 as such, although the listener is one for both families. */
function clientOf({
  socket: { remoteAddress = '', remotePort = 0 },
}: http.IncomingMessage): string {
  return formatHostPort(parseAddress(remoteAddress) ?? remoteAddress, remotePort);
}
