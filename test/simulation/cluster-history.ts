// SPDX-License-Identifier: Apache-2.0
// All that the cluster of a simulation has ever been: every version of every object. What of it a server still tells is
// up to simulated-api.ts; what an agent may rightly take an object to be, to api-walk.ts.

import type { WatchedKind } from '../../agent/model/cluster-state.ts';
import type { ApiObject, Write } from './api-objects.ts';

export interface ClusterEvent {
  readonly version: number;
  readonly kind: WatchedKind;
  readonly key: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** With its resourceVersion; of a deleted one as it was last. */
  readonly object: ApiObject;
}

export class ClusterHistory {
  readonly #events: ClusterEvent[] = [];
  readonly #objects = new Map<string, ApiObject>();
  #version = 1;

  /** Of the newest change. */
  get version(): number {
    return this.#version;
  }

  /** Deleting what is not there changes nothing. */
  write({ kind, key, object }: Write): void {
    const id = `${kind} ${key}`;
    const before = this.#objects.get(id);
    const after = object ?? before;
    if (!after) return;
    this.#version += 1;
    const metadata = { ...after.metadata, resourceVersion: `${this.#version}` };
    const stored = { ...after, metadata };
    if (object) this.#objects.set(id, stored);
    else this.#objects.delete(id);
    const type = !object ? 'DELETED' : before ? 'MODIFIED' : 'ADDED';
    this.#events.push({ version: this.#version, kind, key, type, object: stored });
  }

  /** The first of `kind` behind `version`. */
  next(kind: WatchedKind, version: number): ClusterEvent | undefined {
    return this.#events.find((event) => event.kind === kind && event.version > version);
  }

  /** All of `kind` up to `version`, the oldest first. */
  events(kind: WatchedKind, version = this.#version): ClusterEvent[] {
    return this.#events.filter((event) => event.kind === kind && event.version <= version);
  }

  /** What there was of `kind` at `version`, by key. */
  at(kind: WatchedKind, version = this.#version): ReadonlyMap<string, ApiObject> {
    const objects = new Map<string, ApiObject>();
    for (const { type, key, object } of this.events(kind, version)) {
      if (type === 'DELETED') objects.delete(key);
      else objects.set(key, object);
    }
    return new Map([...objects].sort(([one], [other]) => (one < other ? -1 : 1)));
  }
}
