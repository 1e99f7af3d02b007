// SPDX-License-Identifier: Apache-2.0
// Answers the health checks of load balancers at the healthCheckNodePorts of Services, with kube-proxy's words
// (semantics 1.11). Told of each Service that has changed, and never looks at the others.
//
// Invariant: after a change, and after addresses have changed, it listens where the checks are to be answered and
// nowhere else; what cannot be had is told, and tried again.

import type http from 'node:http';
import type { IpAddress, IpFamily } from '../model/address.ts';
import type { HealthCheck } from '../model/health-checks.ts';
import type { ObjectKey } from '../model/objects.ts';
import { HttpConnections, type HttpListener } from './http-connections.ts';

export interface ServiceHealthServersOptions {
  /** Where to listen for a family now. */
  readonly hosts: (family: IpFamily) => readonly IpAddress[];
  /** Whether the agent keeps up; while it does not, no count is to be trusted. */
  readonly isProxyHealthy: () => boolean;
  /** Told of each attempt to listen that fails. */
  readonly onFailure: (check: HealthCheck, host: IpAddress, error: Error) => void;
  readonly retryMs?: RetryTimes;
}

interface RetryTimes {
  /** What failed is not tried again sooner, however much changes. */
  readonly soonest: number;
  /** When nothing changes. */
  readonly latest: number;
}

interface Opened {
  readonly listener: HttpListener;
  readonly port: number;
  readonly family: IpFamily;
  readonly host: IpAddress;
}

/** Who is asked. */
interface Asked {
  readonly key: ObjectKey;
  readonly family: IpFamily;
}

/** Soon after whatever has the port lets it go: kube-proxy, where this agent takes its place. */
const RETRY_MS: RetryTimes = { soonest: 1000, latest: 5000 };

export class ServiceHealthServers {
  readonly #options: ServiceHealthServersOptions;
  readonly #checks = new Map<ObjectKey, HealthCheck>();
  readonly #opened = new Map<ObjectKey, Set<Opened>>();
  /** Services of which some listener could not be had, with the last reason. */
  readonly #failed = new Map<ObjectKey, string>();
  readonly #connections = new HttpConnections<Asked>((request, response, asked) =>
    this.#answer(request, response, asked),
  );
  #retry: NodeJS.Timeout | undefined;
  #triedAtMs = 0;

  constructor(options: ServiceHealthServersOptions) {
    this.#options = options;
  }

  /** Services whose health checks are not answered as they should be, and why. */
  get failures(): ReadonlyMap<ObjectKey, string> {
    return this.#failed;
  }

  /** @param changes Services, with their health check now; undefined: they have none. */
  update(changes: Iterable<readonly [ObjectKey, HealthCheck | undefined]>): void {
    const keys = new Set<ObjectKey>();
    for (const [key, check] of changes) {
      if (check) this.#checks.set(key, check);
      else if (!this.#checks.delete(key)) continue;
      keys.add(key);
    }
    if (this.#failed.size && performance.now() - this.#triedAtMs >= this.#retryMs.soonest)
      for (const key of this.#failed.keys()) keys.add(key);
    this.#settle(keys);
  }

  /** The hosts to listen at may have changed. */
  addressesChanged(): void {
    this.#settle(new Set(this.#checks.keys()));
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#checks.clear();
    this.#failed.clear();
    for (const key of [...this.#opened.keys()]) this.#closeSurplus(key);
    this.#connections.close();
  }

  get #retryMs(): RetryTimes {
    return this.#options.retryMs ?? RETRY_MS;
  }

  /** What closes goes first: a port may pass from one Service to another. */
  #settle(keys: ReadonlySet<ObjectKey>): void {
    if (!keys.size) return;
    for (const key of keys) this.#closeSurplus(key);
    for (const key of keys) this.#openMissing(key);
  }

  #closeSurplus(key: ObjectKey): void {
    const check = this.#checks.get(key);
    for (const opened of this.#opened.get(key) ?? []) {
      const { port, family, host } = opened;
      const isWanted =
        check?.port === port &&
        check.localEndpoints.has(family) &&
        this.#options.hosts(family).includes(host);
      if (isWanted) continue;
      this.#remove(key, opened);
      opened.listener.close();
    }
  }

  #openMissing(key: ObjectKey): void {
    const check = this.#checks.get(key);
    this.#failed.delete(key);
    if (!check) return;
    const hosts = new Set([...(this.#opened.get(key) ?? [])].map(({ host }) => host));
    for (const family of check.localEndpoints.keys()) {
      for (const host of this.#options.hosts(family)) {
        if (!hosts.has(host)) this.#open(key, check, family, host);
      }
    }
  }

  #open(key: ObjectKey, check: HealthCheck, family: IpFamily, host: IpAddress): void {
    const { port } = check;
    const listener = this.#connections.listen({
      host,
      port,
      ipv6Only: true,
      context: { key, family },
      onListening: () => {},
      onError: (error) => {
        this.#remove(key, opened);
        this.#failed.set(key, error.message);
        this.#triedAtMs = performance.now();
        this.#retry ??= setTimeout(() => this.#tryAgain(), this.#retryMs.latest);
        this.#options.onFailure(check, host, error);
      },
    });
    const opened: Opened = { listener, port, family, host };
    const others = this.#opened.get(key);
    if (others) others.add(opened);
    else this.#opened.set(key, new Set([opened]));
  }

  #remove(key: ObjectKey, opened: Opened): void {
    const all = this.#opened.get(key);
    all?.delete(opened);
    if (!all?.size) this.#opened.delete(key);
  }

  #tryAgain(): void {
    this.#retry = undefined;
    this.#settle(new Set(this.#failed.keys()));
  }

  #answer(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { key, family }: Asked,
  ): void {
    const check = this.#checks.get(key);
    const count = check?.localEndpoints.get(family);
    if (!check || count === undefined) {
      // It has gone since the connection was made: nobody listens here any more.
      request.socket.destroy();
      return;
    }
    const { namespace, name } = check;
    const serviceProxyHealthy = this.#options.isProxyHealthy();
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('X-Load-Balancing-Endpoint-Weight', String(count));
    response.statusCode = count > 0 && serviceProxyHealthy ? 200 : 503;
    response.end(
      JSON.stringify(
        { service: { namespace, name }, localEndpoints: count, serviceProxyHealthy },
        null,
        '\t',
      ),
    );
  }
}
