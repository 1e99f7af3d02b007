// SPDX-License-Identifier: Apache-2.0
// How long the last changes took, for `status`: a person asks what it is like now, not since the start.

/** Changes that count. */
const KEPT = 1000;

export interface LatencySummary {
  /** Of how many changes, the last ones. */
  readonly changes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class RecentLatencies {
  readonly #ring = new Float64Array(KEPT);
  #count = 0;

  add(ms: number): void {
    this.#ring[this.#count % KEPT] = ms;
    this.#count += 1;
  }

  /** undefined before the first. */
  get summary(): LatencySummary | undefined {
    const changes = Math.min(this.#count, KEPT);
    if (changes === 0) return undefined;
    const sorted = this.#ring.slice(0, changes).sort();
    const quantile = (share: number) => sorted[Math.ceil(share * changes) - 1] ?? 0;
    return { changes, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
  }
}
