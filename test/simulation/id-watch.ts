// SPDX-License-Identifier: Apache-2.0
// Ids of service ports: none is given to another service port while something in the tables has it, nor twice by what
// an agent knows of the tables; and nothing was counted for whom it is given to. Used by table-watch.ts.

import { counterOf, SHARED_COUNTER } from '../../agent/plan/service-port-ids.ts';
import type { View } from '../helpers/table-view.ts';

/** Behind it ids begin anew. A stranger may have written it. */
const LARGEST_ID = 0xffffffff;

export class IdWatch {
  /** Given back, by what an agent knows of the tables: an audit that mends them knows them anew. */
  readonly #released = new WeakMap<object, Set<number>>();

  /** @returns what is wrong with naming `id`. @param cleared counters that were set to zero, the last ones last. */
  problemOf(
    id: number,
    knowledge: object,
    view: View,
    cleared: readonly number[],
  ): string | undefined {
    if (view.servicePorts.entries().some(([other]) => other === id)) {
      return `id ${id}, which has a name, gets another`;
    }
    const users = [
      ...view.frontends.entries().map(([, { servicePortId }]) => servicePortId),
      ...view.members.entries().map(([{ servicePortId }]) => servicePortId),
      ...view.sourceRanges.entries().map(([{ servicePortId }]) => servicePortId),
    ];
    if (users.includes(id)) return `id ${id} is given to another, and entries have it`;
    const released = this.#released.get(knowledge);
    const isAround = released?.has(LARGEST_ID);
    if (released?.has(id) && !isAround) return `id ${id} is given again, so soon`;
    const counter = counterOf(id);
    if (counter !== SHARED_COUNTER && !cleared.includes(counter)) {
      return `id ${id} is given, and its counter was not set to zero`;
    }
    return undefined;
  }

  released(id: number, knowledge: object): void {
    const released = this.#released.get(knowledge) ?? new Set();
    this.#released.set(knowledge, released.add(id));
  }
}
