// SPDX-License-Identifier: Apache-2.0
// What stands in the slots of a run: each backend once, or a Maglev table of them. Used by plan.ts, which writes
// it, and by explain, which tells how large it is. Pure.

import { MAX_MAGLEV_BACKENDS, maglevTable, maglevTableSize } from './maglev.ts';
import type { Balancing } from './objects.ts';
import type { Route } from './resolve.ts';
import { type BackendSet, type BackendSetKey, backendSetKey } from './service-port.ts';

/** What decides about a run. */
export type RunRoute = Pick<Route, 'backends' | 'weights'>;

/**
 * How many slots a run has. A single backend needs no table. Where weights differ there is one whatever the balancing:
 * a place of it at random is a backend by its weight.
 */
export function slotCount({ backends, weights }: RunRoute, balancing: Balancing): number {
  const { length } = backends;
  const isTable = weights !== undefined || balancing === 'maglev';
  if (!isTable || length < 2 || length > MAX_MAGLEV_BACKENDS) return length;
  return maglevTableSize(length);
}

/** The backend of every slot. */
export function slotsOf(route: RunRoute, balancing: Balancing): BackendSet {
  const { backends, weights } = route;
  if (slotCount(route, balancing) === backends.length) return backends;
  const table = maglevTable(backends, weights);
  return Array.from(table, (index) => backends[index] as BackendSet[number]);
}

/** What stands in a run. */
export interface RunContent {
  readonly key: BackendSetKey;
  readonly slots: BackendSet;
}

const NOTHING: RunContent = { key: backendSetKey([]), slots: [] };

/** The content of runs, each made once. */
export class RunContents {
  readonly #known = new Map<string, RunContent>();

  of(route: RunRoute, balancing: Balancing): RunContent {
    if (!route.backends.length) return NOTHING;
    const plain = backendSetKey(route.backends);
    if (slotCount(route, balancing) === route.backends.length) {
      return { key: plain, slots: route.backends };
    }
    const cause = `${plain}; ${route.weights?.join() ?? ''}`;
    const known = this.#known.get(cause);
    if (known) return known;
    const slots = slotsOf(route, balancing);
    const made = { key: backendSetKey(slots), slots };
    this.#known.set(cause, made);
    return made;
  }
}
