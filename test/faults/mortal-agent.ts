// SPDX-License-Identifier: Apache-2.0
// The agent of a TestNode that dies at a call of a test's choice: in a start, or while it works. What is found behind each
// death is held against what was there before and what was to be.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { isNotFound } from '../../agent/sys/libbpf/kernel-error.ts';
import { assertNone, assertOldOrNew } from '../helpers/old-or-new.ts';
import { until } from '../lab/until.ts';
import type { TestNode } from '../netns/test-node.ts';
import { FaultOrders } from './fault-orders.ts';
import { lookAtPins, type PinnedLook } from './pinned-look.ts';

type Rows = PinnedLook['rows'];

export class MortalAgent {
  readonly orders: FaultOrders;
  /** What the calls were at which it died, in their order. */
  readonly deaths: string[] = [];
  readonly #node: TestNode;

  constructor(node: TestNode) {
    this.#node = node;
    this.orders = new FaultOrders(node.directory);
    node.agent.env = {
      ...this.orders.env,
      // It starts very often, and always from the same sources.
      NODE_COMPILE_CACHE: path.join(node.directory, 'compile-cache'),
    };
  }

  /** Starts it; nothing happens to it. @returns once it is at work. */
  async start(): Promise<void> {
    this.orders.give();
    await this.#node.agent.start();
  }

  /** Starts it, to die in place of the `number`th call. @returns whether it did; if not, it is ended when it is at work. */
  async startUntil(number: number): Promise<boolean> {
    const { agent } = this.#node;
    this.orders.give(`kill@${number}`);
    agent.launch();
    const outcome = await agent.outcome();
    if (outcome === 'ready') await agent.end('SIGKILL');
    else if (outcome !== 'SIGKILL') throw new Error(`the agent ended by itself: ${outcome}`);
    return this.#isDead(outcome === 'SIGKILL');
  }

  /**
   * Has it make a change, and die in place of the `number`th call from there.
   *
   * @returns whether it did; if not, the tables hold `wanted`, and it goes on.
   */
  async changeUntil(number: number, change: () => void, wanted: Rows): Promise<boolean> {
    const { agent } = this.#node;
    this.orders.give(`kill@${number}`);
    change();
    let [calls, sinceMs] = [-1, 0];
    await until(`the change is made, or the agent dead at call ${number}`, () => {
      if (agent.hasEnded) return true;
      const { length } = this.orders.calls();
      if (length !== calls) [calls, sinceMs] = [length, performance.now()];
      // What it does about what is gone comes last.
      return performance.now() - sinceMs > REST_MS && this.#holds(wanted);
    });
    return this.#isDead(agent.hasEnded);
  }

  /**
   * Has it die at each call in turn of a start over a cluster that has changed, up to the first of its programs on a hook:
   * what it finds is the old cluster each time.
   *
   * @param become makes the cluster the old or the new one.
   * @returns how many calls such a start makes before it writes; from there on its calls are those of any other start.
   */
  async dieUntilAttached(
    become: (cluster: 'old' | 'new') => void,
    wanted: { readonly old: Rows; readonly new: Rows },
  ): Promise<number> {
    let toWrites = 0;
    for (let number = 1; ; number++) {
      become('new');
      if (!(await this.startUntil(number))) throw new Error('no program was put on a hook');
      this.assertLooksRight(wanted.old, wanted.new);
      const call = this.deaths.at(-1) ?? '';
      if (call.startsWith('link')) return toWrites;
      if (/^map\w+Batch:/.test(call)) {
        become('old');
        await this.start();
        await this.#node.agent.end('SIGKILL');
      } else {
        toWrites = number;
      }
    }
  }

  #holds(wanted: Rows): boolean {
    try {
      return isSame(lookAtPins(this.#node.bpffs).rows, wanted);
    } catch (error) {
      // The slots may be on the move.
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #isDead(isDead: boolean): boolean {
    if (isDead) this.deaths.push(this.orders.calls().at(-1) ?? '');
    return isDead;
  }

  /** @throws Error where a look-up finds what is neither of `before` nor of `after`, or anything broken. */
  assertLooksRight(before: Rows, after: Rows): Rows {
    const { rows, broken } = lookAtPins(this.#node.bpffs);
    const at = `killed at ${this.deaths.length}: ${this.deaths.at(-1)}`;
    try {
      assertOldOrNew(rows, before, after);
      assertNone(broken);
    } catch (error) {
      throw new Error(`${at}: ${(error as Error).message}`);
    }
    return rows;
  }

  /** Of the programs: where a hook or a device has one. */
  get links(): readonly string[] {
    try {
      return readdirSync(path.join(this.#node.bpffs, 'links'));
    } catch {
      return [];
    }
  }
}

/** A pass makes its calls one behind the other. */
const REST_MS = 50;

function isSame(a: Rows, b: Rows): boolean {
  return a.size === b.size && [...a].every(([dialled, row]) => b.get(dialled) === row);
}
