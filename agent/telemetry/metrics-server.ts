// SPDX-License-Identifier: Apache-2.0
// The server for people and scrapers, on the address that kube-proxy has it on (semantics 1.13): metrics, and what the
// agent runs with. Traffic never depends on it. Whoever asks costs little (http-connections.ts), and only GET is
// answered.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../errors.ts';
import { HttpConnections } from './http-connections.ts';
import { type BindAddress, KeptListener } from './kept-listener.ts';
import type { Logger } from './log.ts';
import { flagsText, pingSlis, statusText } from './metrics-pages.ts';

export interface MetricsServerOptions {
  readonly bind: BindAddress;
  readonly metrics: { text(): Promise<string>; readonly contentType: string };
  /** What the agent runs with, as a KubeProxyConfiguration of v1alpha1. */
  readonly configuration: () => unknown;
  /** Of this program. */
  readonly version: string;
  /** Told of each attempt to listen that fails; there will be another. */
  readonly onFailure?: (error: Error) => void;
  readonly log: Logger;
  readonly retryMs?: number;
}

/** What /proxyMode says: none of kube-proxy's modes, whose rules nobody should look for. */
const PROXY_MODE = 'signalbox';

interface Page {
  readonly type: string;
  readonly body: string;
}

type Pages = ReadonlyMap<string, () => Page | Promise<Page>>;

export class MetricsServer extends KeptListener {
  constructor(options: MetricsServerOptions) {
    const { bind, onFailure, log, retryMs } = options;
    const pages = pagesOf(options);
    super({
      connections: new HttpConnections((request, response) => {
        void answer(pages, request, response);
      }),
      what: 'metrics',
      bind,
      onFailure,
      log,
      retryMs,
    });
  }
}

function pagesOf({ metrics, configuration, version }: MetricsServerOptions): Pages {
  const text = (body: string): Page => ({ type: 'text/plain; charset=utf-8', body });
  const slis = pingSlis();
  const pages: Pages = new Map<string, () => Page | Promise<Page>>([
    ['/metrics', async () => ({ type: metrics.contentType, body: await metrics.text() })],
    ['/metrics/slis', async () => ({ type: slis.contentType, body: await slis.metrics() })],
    ['/healthz', () => text('ok')],
    ['/proxyMode', () => text(PROXY_MODE)],
    [
      '/configz',
      () => ({
        type: 'application/json',
        body: JSON.stringify({ 'kubeproxy.config.k8s.io': configuration() }),
      }),
    ],
    ['/flagz', () => text(flagsText(configuration()))],
    ['/statusz', () => text(statusText(version, [...pages.keys()]))],
  ]);
  return pages;
}

async function answer(
  pages: Pages,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET') {
    response.writeHead(405, { Allow: 'GET', 'Content-Type': 'text/plain' }).end('only GET\n');
    return;
  }
  const page = pages.get((request.url ?? '').split('?', 1)[0] ?? '');
  if (!page) {
    response
      .writeHead(404, { 'Content-Type': 'text/plain' })
      .end(`there are ${[...pages.keys()].join(' ')}\n`);
    return;
  }
  try {
    const { type, body } = await page();
    response.writeHead(200, {
      'Content-Type': type,
      'X-Content-Type-Options': 'nosniff',
      'Content-Length': Buffer.byteLength(body),
    });
    response.end(body);
  } catch (error) {
    response.writeHead(500, { 'Content-Type': 'text/plain' }).end(`${messageOf(error)}\n`);
  }
}
