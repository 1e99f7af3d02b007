// SPDX-License-Identifier: Apache-2.0
// Requests to the API server, by the names that client-go gives them, as dashboards of every Kubernetes component read
// them (semantics 1.14). The API client tells.

import { Counter, Histogram, type Registry } from './prom-client.ts';

const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** client-go's word for a request that got no answer. */
const NO_ANSWER = '<error>';

export class ApiMetrics {
  readonly #requests: Counter;
  readonly #seconds: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'rest_client_requests_total',
      help: `Requests to the API server, by status code of the answer; "${NO_ANSWER}" when there was none.`,
      labelNames: ['code', 'method', 'host'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'rest_client_request_duration_seconds',
      help: 'Time of a request to the API server until its answer was read. Watches are not timed. Lists are GET, Events POST and PATCH.',
      labelNames: ['verb', 'host'],
      buckets: BUCKETS,
      registers,
    });
  }

  /** Shows the series of requests to `host` from the first scrape on: rates need a point to begin at. */
  expect(host: string): void {
    for (const verb of ['GET', 'POST']) this.#seconds.zero({ verb, host });
  }

  /** As ApiObserver of agent/cluster/api-client.ts. */
  answered(method: string, host: string, code: number | undefined): void {
    this.#requests.inc({ code: code === undefined ? NO_ANSWER : String(code), method, host });
  }

  done(method: string, host: string, seconds: number): void {
    this.#seconds.observe({ verb: method, host }, seconds);
  }
}
