// SPDX-License-Identifier: Apache-2.0
// /metrics over HTTP. Traffic never depends on it: when the address cannot be had, that is logged and the
// agent goes on.

import type { Server } from 'node:http';
import { messageOf } from '../errors.ts';
import { http } from '../node-http.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export function serveMetrics(metrics: Metrics, { host, port }: BindAddress, log: Logger): Server {
  const server = http.createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end('see /metrics\n');
      return;
    }
    metrics.text().then(
      (text) => response.setHeader('Content-Type', metrics.contentType).end(text),
      (error: unknown) => response.writeHead(500).end(`${messageOf(error)}\n`),
    );
  });
  server.on('error', (error) => log.warn({ host, port, err: error }, 'cannot serve metrics'));
  server.listen({ host, port }, () => log.info({ host, port }, 'serving metrics'));
  return server;
}
