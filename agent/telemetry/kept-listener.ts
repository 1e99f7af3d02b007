// SPDX-License-Identifier: Apache-2.0
// A server of the node on the address that its configuration names: listens, or tries again until it can, as kube-proxy
// does. Used by the health server and the metrics server.

import type net from 'node:net';
import { messageOf } from '../errors.ts';
import { unspecifiedAddress } from '../model/address.ts';
import type { HttpConnections, HttpListener } from './http-connections.ts';
import type { Logger } from './log.ts';
import type { ServerStatus } from './status.ts';

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export interface KeptListenerOptions {
  readonly connections: HttpConnections<undefined>;
  readonly bind: BindAddress;
  /** What is served, in the log: `/healthz and /livez`. */
  readonly what: string;
  /** Told of each attempt to listen that fails; there will be another. */
  readonly onFailure?: ((error: Error) => void) | undefined;
  readonly log: Logger;
  readonly retryMs?: number | undefined;
}

/** kube-proxy's. */
const RETRY_MS = 5000;
/** Go, and so kube-proxy, takes either for all addresses of both families. The first is both, where there are both. */
const EVERYWHERE: readonly string[] = [unspecifiedAddress('IPv6'), unspecifiedAddress('IPv4')];
/** What the kernel says of a family that it does not have, or that is switched off. */
const NO_SUCH_FAMILY = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'];

export class KeptListener {
  readonly #options: KeptListenerOptions;
  #listener: HttpListener | undefined;
  #retry: NodeJS.Timeout | undefined;
  #problem: string | undefined;

  constructor(options: KeptListenerOptions) {
    this.#options = options;
  }

  /** Where it listens; undefined as long as it does not. */
  get address(): net.AddressInfo | undefined {
    return this.#listener?.address;
  }

  /** For `status`. */
  get status(): ServerStatus {
    const { bind, what } = this.#options;
    const { host, port } = bind;
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    return { what, address, ...(this.#problem !== undefined && { problem: this.#problem }) };
  }

  /** Listens, or tries again until it can. */
  start(): void {
    const { host } = this.#options.bind;
    this.#listen(EVERYWHERE.includes(host) ? EVERYWHERE : [host]);
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#listener?.close();
    this.#options.connections.close();
  }

  #listen([host = '', ...others]: readonly string[]): void {
    const { connections, bind, what, log, onFailure, retryMs = RETRY_MS } = this.#options;
    this.#listener = connections.listen({
      host,
      port: bind.port,
      ipv6Only: false,
      context: undefined,
      onListening: () => {
        this.#problem = undefined;
        log.info({ ...bind }, `serving ${what}`);
      },
      onError: (error) => {
        if (others.length && NO_SUCH_FAMILY.includes((error as NodeJS.ErrnoException).code ?? '')) {
          this.#listen(others);
          return;
        }
        this.#problem = messageOf(error);
        log.warn({ ...bind, error: this.#problem, retryMs }, `cannot serve ${what}`);
        this.#retry = setTimeout(() => this.start(), retryMs);
        onFailure?.(error);
      },
    });
  }
}
