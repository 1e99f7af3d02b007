// SPDX-License-Identifier: Apache-2.0
// When the tables of the node are compared and mended: when something of it has changed, when a refusal is due to be tried
// again, and at audits. What is in them says node-tables.ts.

import type { KernelTables } from './kernel-tables.ts';
import { type NodeState, reconcileNode } from './node-tables.ts';

const RETRY_MS = 1000;

export class NodeWriter {
  readonly #state: () => NodeState | undefined;
  readonly #tables: KernelTables;
  #written: NodeState | undefined;
  #failures: readonly string[] = [];
  #retryAtMs = 0;

  /** @param state asked anew each time: the same object as long as nothing has changed; undefined: not known yet. */
  constructor(state: () => NodeState | undefined, tables: KernelTables) {
    this.#state = state;
    this.#tables = tables;
  }

  /** What could not be written, one line each. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** When something failed: how long until it is worth another attempt. */
  get retryInMs(): number | undefined {
    if (!this.#failures.length) return undefined;
    return Math.max(0, this.#retryAtMs - performance.now());
  }

  /** Whether the node is not as it was written. */
  get hasChanged(): boolean {
    const state = this.#state();
    return state !== undefined && state !== this.#written;
  }

  /** @returns how many writes it took. */
  program(): number {
    const state = this.#state();
    if (!state || !(this.hasChanged || this.retryInMs === 0)) return 0;
    const { steps, failures } = reconcileNode(state, this.#tables);
    this.#written = state;
    this.#failures = failures;
    if (failures.length) this.#retryAtMs = performance.now() + RETRY_MS;
    return steps;
  }

  /** @returns how many writes it took to mend; what pends, or was refused and waits, is no repair. */
  audit(): number {
    this.program();
    if (this.#failures.length) return 0;
    this.#written = undefined;
    return this.program();
  }
}
