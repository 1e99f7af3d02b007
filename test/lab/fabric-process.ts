// SPDX-License-Identifier: Apache-2.0
// Runs in the fabric's namespace. The lab's own process stays in the machine's; here is what it has to
// do from inside: open listening sockets for it, and probe pods as a kubelet does.

import http from 'node:http';
import net from 'node:net';
import { answerCalls } from './rpc.ts';

const methods = {
  /** A server that listens; the caller gets it. */
  listen: ({ host, port }: { host: string; port: number }): Promise<net.Server> =>
    new Promise((resolve, reject) => {
      const server = net.createServer();
      server.once('error', reject);
      server.listen({ host, port }, () => resolve(server));
    }),

  /** The status code of an HTTP request, 0 when there was no answer in time. */
  httpStatus: ({ url, timeoutMs, method = 'GET' }: HttpProbe): Promise<number> =>
    new Promise((resolve) => {
      const request = http.request(
        url,
        { agent: false, timeout: timeoutMs, method },
        (response) => {
          response.resume();
          response.once('end', () => resolve(response.statusCode ?? 0));
        },
      );
      request.once('timeout', () => request.destroy());
      request.once('error', () => resolve(0));
      request.end();
    }),
};

interface HttpProbe {
  readonly url: string;
  readonly timeoutMs: number;
  readonly method?: string;
}

export type FabricMethods = typeof methods;

answerCalls(methods);
