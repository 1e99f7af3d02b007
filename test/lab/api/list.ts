// SPDX-License-Identifier: Apache-2.0
// Lists: selection, order and pages. The pages of one list come from one snapshot, named by the
// continue token; a snapshot that is no longer held answers 410, as a compacted etcd does.

import { ApiError } from '../api-error.ts';
import { type KubeObject, keyOf } from '../kube-object.ts';
import type { ObjectStore } from '../object-store.ts';
import type { Page } from './representation.ts';
import type { Route } from './route.ts';
import { type Predicate, parseSelectors } from './selectors.ts';

/** Snapshots held for clients in the middle of a paginated list. */
const SNAPSHOTS = 32;

interface Snapshot {
  readonly objects: readonly KubeObject[];
  readonly resourceVersion: number;
}

export class Lists {
  readonly #store: ObjectStore;
  readonly #sorted = new WeakMap<readonly KubeObject[], readonly KubeObject[]>();
  readonly #snapshots = new Map<string, Snapshot>();
  #lastSnapshot = 0;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** @throws ApiError 400, 410 Expired, 504 for a resourceVersion of the future. */
  page(route: Route, query: URLSearchParams): Page {
    const limit = Number(query.get('limit') ?? 0);
    const token = query.get('continue');
    if (token) return this.#continue(token, limit);
    this.#checkVersion(query);
    const snapshot: Snapshot = {
      objects: this.select(route, parseSelectors(route.resource, query)),
      resourceVersion: this.#store.resourceVersion,
    };
    return this.#cut(snapshot, 0, limit);
  }

  /** What `route` and `predicate` select, in order of namespace and name. */
  select(route: Route, predicate?: Predicate): readonly KubeObject[] {
    const all = this.#inOrder(route.resource.kind);
    const selects = within(route, predicate);
    return selects ? all.filter(selects) : all;
  }

  /** Forgets the snapshots: lists in progress answer 410. */
  compact(): void {
    this.#snapshots.clear();
  }

  #inOrder(kind: string): readonly KubeObject[] {
    const list = this.#store.list(kind);
    const held = this.#sorted.get(list);
    if (held) return held;
    const keyed = list.map((object) => ({ key: keyOf(object), object }));
    keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
    const sorted = keyed.map(({ object }) => object);
    this.#sorted.set(list, sorted);
    return sorted;
  }

  #checkVersion(query: URLSearchParams): void {
    const asked = Number(query.get('resourceVersion') || 0);
    const match = query.get('resourceVersionMatch');
    const current = this.#store.resourceVersion;
    if (asked > current) throw tooLarge(asked, current);
    if (match === 'Exact' && asked !== current) {
      throw new ApiError(410, `The resourceVersion for the provided list is too old: ${asked}`);
    }
  }

  #continue(token: string, limit: number): Page {
    const [id = '', start = ''] = Buffer.from(token, 'base64url').toString().split(' ');
    const snapshot = this.#snapshots.get(id);
    if (!snapshot) {
      throw new ApiError(
        410,
        'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
      );
    }
    return this.#cut(snapshot, Number(start), limit, id);
  }

  #cut(snapshot: Snapshot, start: number, limit: number, id?: string): Page {
    const { resourceVersion } = snapshot;
    const end = limit > 0 ? start + limit : snapshot.objects.length;
    const remaining = snapshot.objects.length - end;
    if (start === 0 && remaining <= 0) return { objects: snapshot.objects, resourceVersion };
    const objects = snapshot.objects.slice(start, end);
    if (remaining <= 0) return { objects, resourceVersion };
    const name = id ?? this.#hold(snapshot);
    const next = Buffer.from(`${name} ${end}`).toString('base64url');
    return { objects, resourceVersion, next, remaining };
  }

  #hold(snapshot: Snapshot): string {
    this.#lastSnapshot += 1;
    const id = String(this.#lastSnapshot);
    this.#snapshots.set(id, snapshot);
    if (this.#snapshots.size > SNAPSHOTS) {
      const [oldest = ''] = this.#snapshots.keys();
      this.#snapshots.delete(oldest);
    }
    return id;
  }
}

/** What a route and its selectors let through; undefined when that is everything of the kind. */
export function within(route: Route, predicate: Predicate | undefined): Predicate | undefined {
  const { namespace, name } = route;
  if (namespace === '' && name === undefined) return predicate;
  return (object) =>
    (namespace === '' || object.metadata.namespace === namespace) &&
    (name === undefined || object.metadata.name === name) &&
    (predicate?.(object) ?? true);
}

export function tooLarge(asked: number, current: number): ApiError {
  return new ApiError(504, `Too large resource version: ${asked}, current: ${current}`);
}
