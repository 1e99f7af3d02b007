// SPDX-License-Identifier: Apache-2.0
// /healthz and /livez, where kube-proxy has them and with its answers (semantics 1.12): load balancers ask the one
// whether to send traffic to this node, the kubelet may ask the other whether the agent is at work. And /readyz, which
// kube-proxy has not: an update of all nodes goes on to the next one when the programs serve on this one.

import type http from 'node:http';
import type { IpFamily } from '../model/address.ts';
import type { ProxyHealthReport } from '../model/proxy-health.ts';
import { HttpConnections } from './http-connections.ts';
import { type BindAddress, KeptListener } from './kept-listener.ts';
import type { Logger } from './log.ts';

export type HealthPath = 'healthz' | 'livez';
export type HealthCode = 200 | 503;

export interface ProxyHealthServerOptions {
  readonly bind: BindAddress;
  readonly health: () => ProxyHealthReport;
  readonly isNodeEligible: () => boolean;
  /** Why not all is programmed yet, and the programs at work; undefined once they are. */
  readonly notReady: () => string | undefined;
  /** Those that are served. */
  readonly families: readonly IpFamily[];
  /** Told of each answer, for metrics. */
  readonly onAnswer?: (path: HealthPath, code: HealthCode) => void;
  /** Told of each attempt to listen that fails; there will be another. */
  readonly onFailure?: (error: Error) => void;
  readonly log: Logger;
  readonly retryMs?: number;
}

/** How kube-proxy writes down the time of what never was. */
const NEVER = '0001-01-01T00:00:00Z';

export class ProxyHealthServer extends KeptListener {
  readonly #options: ProxyHealthServerOptions;

  constructor(options: ProxyHealthServerOptions) {
    const { bind, onFailure, log, retryMs } = options;
    super({
      connections: new HttpConnections((request, response) => this.#answer(request, response)),
      what: '/healthz and /livez',
      bind,
      onFailure,
      log,
      retryMs,
    });
    this.#options = options;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const [path] = (request.url ?? '').split('?');
    if (path === '/healthz') this.#tell('healthz', this.#options.isNodeEligible(), response);
    else if (path === '/livez') this.#tell('livez', undefined, response);
    else if (path === '/readyz') this.#tellReady(response);
    else {
      response.setHeader('Content-Type', 'text/plain; charset=utf-8');
      response.setHeader('X-Content-Type-Options', 'nosniff');
      response.statusCode = 404;
      response.end('404 page not found\n');
    }
  }

  #tellReady(response: http.ServerResponse): void {
    const reason = this.#options.notReady();
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.statusCode = reason === undefined ? 200 : 503;
    response.end(`${reason ?? 'ok'}\n`);
  }

  /** @param nodeEligible undefined where it is not asked for. */
  #tell(path: HealthPath, nodeEligible: boolean | undefined, response: http.ServerResponse): void {
    const { isHealthy: healthy, updatedAt } = this.#options.health();
    const code = healthy && nodeEligible !== false ? 200 : 503;
    const currentTime = new Date().toISOString();
    const updated = updatedAt?.toISOString() ?? NEVER;
    const status = Object.fromEntries(
      this.#options.families.map((family) => [family, { lastUpdated: updated, healthy }]),
    );
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.statusCode = code;
    // Not writeHead(), which would leave out the length: probes of load balancers may be of HTTP/1.0.
    response.end(
      JSON.stringify({
        // Where all is well kube-proxy says that it has just looked, as it did when it looked all the time.
        lastUpdated: code === 200 ? currentTime : updated,
        currentTime,
        nodeEligible,
        healthy,
        ...(updatedAt && { status }),
      }),
    );
    this.#options.onAnswer?.(path, code);
  }
}
