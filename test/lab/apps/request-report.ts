// SPDX-License-Identifier: Apache-2.0
// Counts what became of requests.

import type { Outcome } from './request.ts';

export interface RequestFailure {
  /** An errno such as ECONNREFUSED, or `HTTP 502`. */
  readonly errno: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface RequestResult {
  /** Finished, well or not. */
  readonly count: number;
  readonly byPod: Readonly<Record<string, number>>;
  /** Every address:port that the client saw at the other end. */
  readonly peers: readonly string[];
  /** Every address that pods saw at the other end. */
  readonly seenAs: readonly string[];
  readonly failures: readonly RequestFailure[];
}

export class RequestReport {
  readonly #byPod = new Map<string, number>();
  readonly #peers = new Set<string>();
  readonly #seenAs = new Set<string>();
  readonly #failures: RequestFailure[] = [];
  #count = 0;

  get failed(): number {
    return this.#failures.length;
  }

  /** Waits for one request. Never throws. */
  async record(request: Promise<Outcome>): Promise<void> {
    try {
      const { servedBy, peer, seenAs } = await request;
      this.#byPod.set(servedBy, (this.#byPod.get(servedBy) ?? 0) + 1);
      this.#peers.add(peer);
      this.#seenAs.add(hostOf(seenAs));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#failures.push({ errno: code ?? message, at: Date.now() });
    }
    this.#count += 1;
  }

  result(): RequestResult {
    const byPod = Object.fromEntries([...this.#byPod].sort(([a], [b]) => (a < b ? -1 : 1)));
    return {
      count: this.#count,
      byPod,
      peers: [...this.#peers],
      seenAs: [...this.#seenAs],
      failures: [...this.#failures],
    };
  }
}

/** Of `host:port`, without the brackets of IPv6. */
function hostOf(text: string): string {
  return text.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}
