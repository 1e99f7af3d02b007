// SPDX-License-Identifier: Apache-2.0
// Which slots are free. Knows nothing of the kernel: what is in use at the start is what published frontends
// name, and a run is only given back once no program can be reading it.

import type { SlotRun } from '../sys/layout.gen.ts';

export class SlotAllocator {
  #capacity: number;
  /** No slot from here on was ever handed out. */
  #top = 0;
  /** Free runs below the top, by length. */
  #free = new Map<number, number[]>();

  /** @param used runs in use; they may repeat, touch and overlap. */
  constructor(capacity: number, used: Iterable<SlotRun> = []) {
    this.#capacity = capacity;
    for (const run of [...used].sort((a, b) => a.first - b.first)) {
      this.#push(this.#top, run.first - this.#top);
      this.#top = Math.max(this.#top, run.first + run.count);
    }
  }

  get capacity(): number {
    return this.#capacity;
  }

  /** Slots that are in use or waiting to be freed. */
  get used(): number {
    let free = 0;
    for (const [count, firsts] of this.#free) free += count * firsts.length;
    return this.#top - free;
  }

  /** @returns undefined when no run of `count` free slots is left: {@link grow}, then try again. */
  allocate(count: number): SlotRun | undefined {
    return this.#take(count) ?? (this.#coalesce() ? this.#take(count) : undefined);
  }

  free({ first, count }: SlotRun): void {
    this.#push(first, count);
  }

  grow(capacity: number): void {
    this.#capacity = Math.max(this.#capacity, capacity);
  }

  /** Takes a growth back that was not to be had. No slot from `capacity` on may be in use. */
  shrink(capacity: number): void {
    if (capacity >= this.#capacity) return;
    this.#capacity = capacity;
    const free = [...this.#free];
    this.#free = new Map();
    for (const [count, firsts] of free) {
      for (const first of firsts) this.#push(first, Math.min(count, capacity - first));
    }
    this.#top = Math.min(this.#top, capacity);
  }

  #take(count: number): SlotRun | undefined {
    if (count === 0) return { first: 0, count: 0 };
    const exact = this.#pop(count);
    if (exact !== undefined) return { first: exact, count };
    if (this.#top + count <= this.#capacity) {
      this.#top += count;
      return { first: this.#top - count, count };
    }
    const longer = [...this.#free.keys()].filter((length) => length > count);
    if (!longer.length) return undefined;
    const length = Math.min(...longer);
    const first = this.#pop(length) as number;
    this.#push(first + count, length - count);
    return { first, count };
  }

  /** Joins neighbouring free runs. @returns whether that made any difference. */
  #coalesce(): boolean {
    const runs = [...this.#free].flatMap(([count, firsts]) =>
      firsts.map((first) => ({ first, count })),
    );
    runs.sort((a, b) => a.first - b.first);
    this.#free = new Map();
    let open: { first: number; count: number } | undefined;
    let joined = 0;
    for (const run of runs) {
      if (open && open.first + open.count === run.first) {
        open.count += run.count;
        joined++;
        continue;
      }
      if (open) this.#push(open.first, open.count);
      open = run;
    }
    if (open && open.first + open.count === this.#top) {
      this.#top = open.first;
      joined++;
    } else if (open) {
      this.#push(open.first, open.count);
    }
    return joined > 0;
  }

  #push(first: number, count: number): void {
    if (count <= 0) return;
    const firsts = this.#free.get(count);
    if (firsts) firsts.push(first);
    else this.#free.set(count, [first]);
  }

  #pop(count: number): number | undefined {
    const firsts = this.#free.get(count);
    const first = firsts?.pop();
    if (firsts?.length === 0) this.#free.delete(count);
    return first;
  }
}
