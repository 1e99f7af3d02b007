// SPDX-License-Identifier: Apache-2.0
// The lab's etcd: Kubernetes objects in memory, one resourceVersion for all kinds, a bounded history
// per kind. Invariants: what is stored is frozen; every change has its own resourceVersion; every
// listener hears all changes in that order, also when a listener changes the store.

import { randomInt, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { isNamespaced, pluralOf } from './api/resources.ts';
import { ApiError, invalid, notFound } from './api-error.ts';
import { History, type StoreEvent } from './history.ts';
import { freezeObject, type KubeObject, keyOf, nameKey } from './kube-object.ts';
import { ServiceAdmission, type ServiceRanges } from './service-admission.ts';

export { ApiError } from './api-error.ts';
export type { StoreEvent } from './history.ts';
export { jsonText, type KubeObject, type ObjectMeta } from './kube-object.ts';

export interface ObjectStoreOptions extends Partial<ServiceRanges> {
  /** Changes remembered per kind; older resourceVersions are gone. Default 20,000. */
  readonly historyLimit?: number;
}

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** No vowels and nothing that looks like another: what Kubernetes uses for generated names. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

export class ObjectStore {
  readonly #kinds = new Map<string, Map<string, KubeObject>>();
  readonly #lists = new Map<string, KubeObject[]>();
  readonly #histories = new Map<string, History>();
  readonly #historyLimit: number;
  readonly #services: ServiceAdmission;
  readonly #listeners = new Map<(event: StoreEvent) => void, number>();
  readonly #undelivered: StoreEvent[] = [];
  #delivering = false;
  #compactedAt = 0;
  #resourceVersion = 0;

  constructor(options: ObjectStoreOptions = {}) {
    this.#historyLimit = options.historyLimit ?? 20_000;
    this.#services = new ServiceAdmission(options);
  }

  get resourceVersion(): number {
    return this.#resourceVersion;
  }

  /**
   * Stores a new object: sets uid, creationTimestamp, generation and resourceVersion, completes
   * generateName, puts it into namespace `default` when its kind needs one and it has none.
   *
   * @throws ApiError 409 AlreadyExists, 422 Invalid.
   */
  create(object: KubeObject): KubeObject {
    const named = withName(object);
    const { kind } = named;
    if (this.#kinds.get(kind)?.has(keyOf(named))) {
      throw new ApiError(
        409,
        `${pluralOf(kind)} "${named.metadata.name}" already exists`,
        'AlreadyExists',
      );
    }
    const admitted = kind === 'Service' ? this.#services.admit(named) : named;
    const created = freezeObject({
      ...admitted,
      metadata: {
        ...admitted.metadata,
        uid: randomUUID(),
        creationTimestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
        generation: 1,
        resourceVersion: String(this.#resourceVersion + 1),
      },
    });
    this.#put(created);
    this.#publish({ type: 'ADDED', object: created, resourceVersion: this.#resourceVersion });
    return created;
  }

  /**
   * Replaces an object. Server-set metadata stays, as do a Service's allocated addresses and ports
   * that are left out. Without any difference nothing happens and nobody is told.
   *
   * @throws ApiError 404; 409 Conflict when metadata.resourceVersion is given and not the current one; 422.
   */
  update(object: KubeObject): KubeObject {
    const named = withName(object);
    const current = this.#require(named.kind, named.metadata.namespace ?? '', named.metadata.name);
    const { resourceVersion } = named.metadata;
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
      throw new ApiError(
        409,
        `Operation cannot be fulfilled on ${pluralOf(named.kind)} "${named.metadata.name}": the object ` +
          'has been modified; please apply your changes to the latest version and try again',
      );
    }
    const admitted = named.kind === 'Service' ? this.#services.admit(named, current) : named;
    return this.#replace(current, admitted);
  }

  /** Creates, or updates field by field: what `object` names is replaced, all else is kept. */
  apply(object: KubeObject): KubeObject {
    const named = withName(object);
    const current = this.get(named.kind, named.metadata.namespace ?? '', named.metadata.name);
    if (!current) return this.create(named);
    const { resourceVersion: _, ...currentMetadata } = current.metadata;
    return this.update({
      ...current,
      ...named,
      metadata: { ...currentMetadata, ...named.metadata },
    });
  }

  /** @throws ApiError 404. */
  delete(kind: string, namespace: string, name: string): KubeObject {
    const previous = this.#require(kind, namespace, name);
    const object = freezeObject({
      ...previous,
      metadata: { ...previous.metadata, resourceVersion: String(this.#resourceVersion + 1) },
    });
    this.#kinds.get(kind)?.delete(keyOf(previous));
    this.#lists.delete(kind);
    if (kind === 'Service') this.#services.release(previous);
    this.#resourceVersion += 1;
    this.#publish({ type: 'DELETED', object, previous, resourceVersion: this.#resourceVersion });
    return object;
  }

  /** @param namespace '' for cluster-scoped kinds. */
  get(kind: string, namespace: string, name: string): KubeObject | undefined {
    return this.#kinds.get(kind)?.get(nameKey(namespace, name));
  }

  /** All objects of a kind, in order of creation. The array is shared and the same until the next change. */
  list(kind: string): KubeObject[] {
    const held = this.#lists.get(kind);
    if (held) return held;
    const list = [...(this.#kinds.get(kind)?.values() ?? [])];
    this.#lists.set(kind, list);
    return list;
  }

  /**
   * @param listener called synchronously with every change from now on; must not throw.
   * @returns ends the subscription.
   */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    const own = (event: StoreEvent) => listener(event);
    this.#listeners.set(own, this.#resourceVersion);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** The changes of a kind after `resourceVersion`; 'gone' when some of them are forgotten (HTTP 410). */
  eventsSince(kind: string, resourceVersion: number): StoreEvent[] | 'gone' {
    const history = this.#histories.get(kind);
    if (history) return history.since(resourceVersion);
    return resourceVersion < this.#compactedAt ? 'gone' : [];
  }

  /** Forgets all history: resuming from any resourceVersion but the current one is 'gone'. */
  compact(): void {
    this.#histories.clear();
    this.#compactedAt = this.#resourceVersion;
  }

  #require(kind: string, namespace: string, name: string): KubeObject {
    const current = this.get(kind, namespace, name);
    if (!current) throw notFound(pluralOf(kind), name);
    return current;
  }

  #replace(current: KubeObject, next: KubeObject): KubeObject {
    const { uid, creationTimestamp, generation, resourceVersion } = current.metadata;
    const kept = { uid, creationTimestamp, generation, resourceVersion };
    const candidate = freezeObject({
      ...next,
      metadata: { ...next.metadata, ...kept },
    } as KubeObject);
    if (isDeepStrictEqual(candidate, current)) return current;
    const specChanged = !isDeepStrictEqual(candidate.spec, current.spec);
    const updated = freezeObject({
      ...candidate,
      metadata: {
        ...candidate.metadata,
        generation: (generation ?? 1) + (specChanged ? 1 : 0),
        resourceVersion: String(this.#resourceVersion + 1),
      },
    });
    this.#put(updated);
    this.#publish({
      type: 'MODIFIED',
      object: updated,
      previous: current,
      resourceVersion: this.#resourceVersion,
    });
    return updated;
  }

  #put(object: KubeObject): void {
    const objects = this.#kinds.get(object.kind);
    if (objects) objects.set(keyOf(object), object);
    else this.#kinds.set(object.kind, new Map([[keyOf(object), object]]));
    this.#lists.delete(object.kind);
    this.#resourceVersion += 1;
  }

  #publish(event: StoreEvent): void {
    this.#remember(event);
    this.#undelivered.push(event);
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#undelivered.shift(); next; next = this.#undelivered.shift()) {
        for (const [listener, since] of [...this.#listeners]) {
          if (next.resourceVersion > since && this.#listeners.has(listener)) listener(next);
        }
      }
    } finally {
      this.#delivering = false;
    }
  }

  #remember(event: StoreEvent): void {
    const { kind } = event.object;
    const history = this.#histories.get(kind) ?? new History(this.#historyLimit, this.#compactedAt);
    this.#histories.set(kind, history);
    history.add(event);
  }
}

function withName(object: KubeObject): KubeObject {
  const { kind, metadata } = object;
  const { name: givenName, namespace: givenNamespace, ...rest } = metadata;
  const name = givenName || (metadata.generateName && `${metadata.generateName}${nameSuffix()}`);
  if (!name)
    throw invalid(kind, '', 'metadata.name: Required value: name or generateName is required');
  if (!NAME.test(name) || name.length > 253) {
    throw invalid(
      kind,
      name,
      `metadata.name: Invalid value: "${name}": must be a lowercase RFC 1123 name`,
    );
  }
  if (!isNamespaced(kind)) return { ...object, metadata: { name, ...rest } };
  return { ...object, metadata: { name, namespace: givenNamespace || 'default', ...rest } };
}

function nameSuffix(): string {
  return Array.from({ length: 5 }, () => SUFFIX_ALPHABET[randomInt(SUFFIX_ALPHABET.length)]).join(
    '',
  );
}
