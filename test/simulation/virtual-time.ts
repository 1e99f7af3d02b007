// SPDX-License-Identifier: Apache-2.0
// Time and order for a simulation: the clock stands still until it is let run, an hour passes as fast as what is done in
// it, and of what may happen at one moment chance decides what comes first. While it is installed, the timers and
// performance.now() of this process are its own, so that the agent's code runs as it is: a test file has a process to itself.

import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import type { Chance } from './chance.ts';

interface Task {
  readonly atMs: number;
  readonly run: () => void;
}

/** What a look at the clock may find gone: more than the agent works without a rest. */
const WORK_MS = 11;

/** All that is left to do without time passing is done when it comes: promises run before it. */
const realImmediate = globalThis.setImmediate;

export class VirtualTime {
  /** How likely it is that the agent was slow by the time that it looks at the clock: from 0 to 1. */
  slowness = 0;
  readonly #chance: Chance;
  readonly #tasks = new Set<Task>();
  #nowMs = 1000;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** How much waits for its time. */
  get waiting(): number {
    return this.#tasks.size;
  }

  /** @returns what takes it back. */
  after(ms: number, run: () => void): () => void {
    const task: Task = { atMs: this.#nowMs + Math.max(0, ms), run };
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  /** Resolves `ms` later, or as soon as `signal` aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const end = () => {
        takeBack();
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const takeBack = this.after(ms, end);
      return signal?.addEventListener('abort', end);
    });
  }

  /** Lets `ms` pass. @param isOver asked after each thing that happens: whether that was enough. */
  async run(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await new Promise((resolve) => realImmediate(resolve));
      if (isOver()) return;
      const next = this.#next();
      if (!next || next.atMs > untilMs) break;
      this.#tasks.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** @returns what gives the process its own time back. */
  install(): () => void {
    const before = {
      now: performance.now,
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
      sleep: timers.setTimeout,
      turn: timers.setImmediate,
    };
    const takers = new WeakMap<object, () => void>();
    const set = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      const timer = { ref: () => timer, unref: () => timer, hasRef: () => false };
      takers.set(
        timer,
        this.after(ms, () => run(...args)),
      );
      return timer;
    };
    const clear = (timer: unknown) => {
      const taker = typeof timer === 'object' && timer !== null ? takers.get(timer) : undefined;
      if (taker) taker();
      else before.clearTimeout(timer as NodeJS.Timeout);
    };
    performance.now = () => this.#look();
    globalThis.setTimeout = set as unknown as typeof setTimeout;
    globalThis.clearTimeout = clear as typeof clearTimeout;
    timers.setTimeout = (ms, value, options) => this.#sleep(ms, value as never, options?.signal);
    timers.setImmediate = (value) => this.#sleep(0, value as never);
    syncBuiltinESMExports();
    return () => {
      performance.now = before.now;
      globalThis.setTimeout = before.setTimeout;
      globalThis.clearTimeout = before.clearTimeout;
      timers.setTimeout = before.sleep;
      timers.setImmediate = before.turn;
      syncBuiltinESMExports();
    };
  }

  async #sleep<T>(ms = 0, value: T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    await this.pause(ms, signal);
    signal?.throwIfAborted();
    return value;
  }

  #look(): number {
    if (this.slowness > 0 && this.#chance() < this.slowness) this.#nowMs += WORK_MS;
    return this.#nowMs;
  }

  /** The first; of several at one moment any. */
  #next(): Task | undefined {
    let first: Task[] = [];
    for (const task of this.#tasks) {
      const atMs = Math.max(task.atMs, this.#nowMs);
      const least = first[0] ? Math.max(first[0].atMs, this.#nowMs) : Infinity;
      if (atMs < least) first = [task];
      else if (atMs === least) first.push(task);
    }
    return first[Math.floor(this.#chance() * first.length)];
  }
}
