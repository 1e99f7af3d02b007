// SPDX-License-Identifier: Apache-2.0
// Slots that a program may be reading are not written: those that a frontend names, and those that one has named until
// a moment ago. Used by table-watch.ts.

import type { FrontendKey, FrontendValue } from '../../agent/sys/layout.gen.ts';

/** What the agent adds to the kernel's grace period. */
const COOLING_MS = 1000;

interface Retired {
  readonly atMs: number;
  isSettled: boolean;
}

export class SlotWatch {
  /** How many frontends name a slot. */
  readonly #users = new Map<number, number>();
  readonly #retired = new Map<number, Retired>();
  /** Frontends as a stranger has left them: the agent has other slots in mind for them. */
  readonly #strangers = new Set<string>();

  /** Of a frontend that was written or deleted. @param isHand by a stranger. */
  replaced(
    key: FrontendKey,
    before: FrontendValue | undefined,
    after: FrontendValue | undefined,
    nowMs: number,
    isHand: boolean,
  ): void {
    const id = `${key.protocol} ${key.address} ${key.port} ${key.scope}`;
    const isStrangers = this.#strangers.has(id);
    if (isHand) this.#strangers.add(id);
    else this.#strangers.delete(id);
    for (const slot of slotsOf(after)) this.#use(slot, 1);
    for (const slot of slotsOf(before)) {
      if (this.#use(slot, -1) === 0 && !isHand && !isStrangers) {
        this.#retired.set(slot, { atMs: nowMs, isSettled: false });
      }
    }
  }

  /** @returns what says that nobody reads any more what had been retired by the call. */
  settling(): () => void {
    const waiting = [...this.#retired.values()];
    return () => {
      for (const one of waiting) one.isSettled = true;
    };
  }

  /** Between two agents more time passes than a program takes. */
  restarted(): void {
    this.#retired.clear();
  }

  /**
   * @param isTampered frontends may name slots of which the agent does not know.
   * @returns what is wrong with the agent's writing it.
   */
  problemOf(slot: number, nowMs: number, isTampered: boolean): string | undefined {
    const users = this.#users.get(slot) ?? 0;
    if (users > 0 && !isTampered) return `slot ${slot} is written, which ${users} frontends name`;
    const retired = this.#retired.get(slot);
    if (!retired) return undefined;
    if (!retired.isSettled) return `slot ${slot} is written, which a program may still be reading`;
    const agoMs = nowMs - retired.atMs;
    if (agoMs < COOLING_MS) return `slot ${slot} is written ${agoMs} ms after it was last named`;
    this.#retired.delete(slot);
    return undefined;
  }

  #use(slot: number, change: 1 | -1): number {
    const users = (this.#users.get(slot) ?? 0) + change;
    if (users > 0) this.#users.set(slot, users);
    else this.#users.delete(slot);
    if (users > 0) this.#retired.delete(slot);
    return users;
  }
}

/** Each once. */
function slotsOf(value: FrontendValue | undefined): Set<number> {
  const slots = new Set<number>();
  for (const run of value ? [value.inside, value.outside] : []) {
    for (let i = run.first; i < run.first + run.count; i++) slots.add(i);
  }
  return slots;
}
