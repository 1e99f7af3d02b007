// SPDX-License-Identifier: Apache-2.0
// The recent changes of one kind, from which a watch is resumed. Bounded: what is older is gone.

import type { KubeObject } from './kube-object.ts';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** As it is now; for DELETED the last state under the deletion's resourceVersion. */
  readonly object: KubeObject;
  readonly resourceVersion: number;
  /** As it was before; absent for ADDED. */
  readonly previous?: KubeObject;
}

export class History {
  readonly #limit: number;
  #events: StoreEvent[] = [];
  /** Changes up to and including this resourceVersion are forgotten. */
  #forgotten: number;

  /** @param limit changes that are remembered at least. */
  constructor(limit: number, forgotten: number) {
    this.#limit = limit;
    this.#forgotten = forgotten;
  }

  add(event: StoreEvent): void {
    this.#events.push(event);
    // Trimmed in halves, so that the cost of trimming is spread over as many changes.
    if (this.#events.length <= this.#limit * 2) return;
    const [forgotten] = this.#events.slice(-this.#limit - 1);
    this.#forgotten = forgotten?.resourceVersion ?? this.#forgotten;
    this.#events = this.#events.slice(-this.#limit);
  }

  /** The changes after `resourceVersion`; 'gone' when some of them are forgotten. */
  since(resourceVersion: number): StoreEvent[] | 'gone' {
    if (resourceVersion < this.#forgotten) return 'gone';
    const events = this.#events;
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = events[middle] as StoreEvent;
      if (event.resourceVersion <= resourceVersion) low = middle + 1;
      else high = middle;
    }
    return events.slice(low);
  }
}
