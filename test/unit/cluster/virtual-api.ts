// SPDX-License-Identifier: Apache-2.0
// An API server of one kind in memory, on a virtual clock, that can go away, forget its history and fall silent.

import type { ApiClient, ApiRequest, ApiStream } from '../../../agent/cluster/api-client.ts';
import { ApiError } from '../../../agent/cluster/api-error.ts';
import type { VirtualClock } from './virtual-clock.ts';

interface Stored {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

type Event = readonly [type: string, object: object];

const BOOKMARK_MS = 60_000;

export class VirtualApi implements ApiClient {
  readonly server = 'virtual';
  /** Nobody answers. */
  isGone = false;
  /** Watches are answered, and say nothing. */
  isSilent = false;
  /** When lists and watches were asked for. */
  readonly lists: number[] = [];
  readonly watches: number[] = [];
  readonly #clock: VirtualClock;
  readonly #objects = new Map<string, Stored>();
  readonly #watchers = new Set<(event: Event | ApiError) => void>();
  #version = 1;
  #forgotten = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  put(name: string, fields: object): void {
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED';
    this.#version += 1;
    const metadata = { name, namespace: 'default', resourceVersion: `${this.#version}` };
    const object = { ...fields, metadata };
    this.#objects.set(name, object);
    this.#tell([type, object]);
  }

  delete(name: string): void {
    const object = this.#objects.get(name);
    if (!object) return;
    this.#version += 1;
    this.#objects.delete(name);
    const metadata = { ...object.metadata, resourceVersion: `${this.#version}` };
    this.#tell(['DELETED', { ...object, metadata }]);
  }

  /** Ends every watch, as a server that ends. */
  hangUp(): void {
    for (const tell of this.#watchers) tell(new ApiError('connection', 'cut'));
  }

  /** Only who is up to date may go on watching. */
  compact(): void {
    this.#forgotten = this.#version;
  }

  async get(_: ApiRequest): Promise<unknown> {
    this.lists.push(this.#clock.now());
    this.#answer();
    return {
      metadata: { resourceVersion: `${this.#version}` },
      items: [...this.#objects.values()],
    };
  }

  async *stream({ query, silenceMs, onAnswer, signal }: ApiStream): AsyncGenerator<Buffer> {
    this.watches.push(this.#clock.now());
    this.#answer();
    onAnswer?.();
    if (Number(query.resourceVersion) < this.#forgotten) {
      yield line(['ERROR', { kind: 'Status', code: 410, message: 'too old' }]);
      return;
    }
    const told: (Event | ApiError)[] = [];
    let wake = () => {};
    const tell = (event: Event | ApiError) => {
      told.push(event);
      wake();
    };
    this.#watchers.add(tell);
    try {
      const endsMs = this.#clock.now() + Number(query.timeoutSeconds) * 1000;
      let heardMs = this.#clock.now();
      while (!signal.aborted) {
        for (const event of told.splice(0)) {
          if (event instanceof ApiError) throw event;
          if (this.isSilent) continue;
          heardMs = this.#clock.now();
          yield line(event);
        }
        const now = this.#clock.now();
        if (now >= heardMs + silenceMs()) throw new ApiError('timeout', 'nothing came');
        if (now >= endsMs && !this.isSilent) return;
        if (now >= heardMs + BOOKMARK_MS) told.push(this.#bookmark());
        if (told.length > 0 && !this.isSilent) continue;
        told.length = 0;
        await this.#until(
          this.isSilent
            ? heardMs + silenceMs()
            : Math.min(heardMs + BOOKMARK_MS, endsMs, heardMs + silenceMs()),
          signal,
          (woken) => {
            wake = woken;
          },
        );
      }
    } finally {
      this.#watchers.delete(tell);
    }
  }

  async write(): Promise<void> {}

  close(): void {}

  /** Until then, or until `onWake`'s function is called. */
  async #until(
    atMs: number,
    signal: AbortSignal,
    onWake: (wake: () => void) => void,
  ): Promise<void> {
    const woken = new AbortController();
    onWake(() => woken.abort());
    signal.addEventListener('abort', () => woken.abort(), { signal: woken.signal });
    await this.#clock.pause(Math.max(0, atMs - this.#clock.now()), woken.signal);
    woken.abort();
  }

  #bookmark(): Event {
    return ['BOOKMARK', { metadata: { resourceVersion: `${this.#version}` } }];
  }

  #answer(): void {
    if (this.isGone) throw new ApiError('connection', 'nobody is there');
  }

  #tell(event: Event): void {
    for (const tell of this.#watchers) tell(event);
  }
}

function line([type, object]: Event): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}
