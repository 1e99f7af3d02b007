// SPDX-License-Identifier: Apache-2.0
// Keeps the EndpointSlices of Services with selectors in step with their Pods. What they shall be is
// decided in endpoint-slices.ts; here changes become dirty Services, and decisions become writes.
// Unchanged slices are not written (the store would not tell anyone either).

import { isDeepStrictEqual } from 'node:util';
import {
  type DesiredSlice,
  desiredSlices,
  hasManagedSlices,
  MANAGED_BY_LABEL,
  MANAGER,
  SERVICE_NAME_LABEL,
  selects,
} from './endpoint-slices.ts';
import { type KubeObject, keyOf, nameKey } from './kube-object.ts';
import { ZONE_LABEL } from './node-object.ts';
import type { ObjectStore, StoreEvent } from './object-store.ts';
import { TriggerTimes } from './trigger-times.ts';

/** @see TriggerTimes */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';

export class EndpointSliceController {
  readonly #store: ObjectStore;
  readonly #unsubscribe: () => void;
  /** Namespace/name of the Services to look at. */
  readonly #dirty = new Set<string>();
  /** What there is, by what it is asked for, so that a change costs its own size. */
  readonly #pods = new Index(namespaceOf);
  readonly #services = new Index(namespaceOf);
  readonly #slices = new Index(serviceOfSlice);
  readonly #triggerTimes = new TriggerTimes();
  #scheduled: NodeJS.Immediate | undefined;

  /** Starts at once, with what the store holds; changes are worked off once per turn of the event loop. */
  constructor(store: ObjectStore) {
    this.#store = store;
    for (const kind of ['Pod', 'Service', 'EndpointSlice']) {
      for (const object of store.list(kind)) this.#index({ object });
    }
    for (const service of store.list('Service')) this.#dirty.add(keyOf(service));
    this.#unsubscribe = store.subscribe((event) => this.#observe(event));
    this.#schedule();
  }

  stop(): void {
    this.#unsubscribe();
    clearImmediate(this.#scheduled);
  }

  /** Works off all changes now. */
  flush(): void {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      this.#sync(key);
    }
  }

  #observe(event: StoreEvent): void {
    const { object, previous, type } = event;
    if (type === 'DELETED') this.#index({ previous: object });
    else this.#index({ object, ...(previous && { previous }) });
    for (const key of this.#touched(event)) this.#dirty.add(key);
    if (this.#dirty.size > 0) this.#schedule();
  }

  /** The Services that a change may matter to. */
  #touched({ type, object, previous }: StoreEvent): string[] {
    const { kind, metadata } = object;
    if (kind === 'Service') return [keyOf(object)];
    if (kind === 'EndpointSlice') return isOurs(object) ? [serviceOfSlice(object)] : [];
    if (kind === 'Node') {
      const wasIn = previous?.metadata.labels?.[ZONE_LABEL];
      const isIn = type === 'DELETED' ? undefined : metadata.labels?.[ZONE_LABEL];
      if (isIn === wasIn) return [];
      return this.#store.list('Service').map(keyOf);
    }
    if (kind !== 'Pod') return [];
    const services = this.#services.of(metadata.namespace ?? '');
    return services
      .filter((service) => selects(service, object) || (previous && selects(service, previous)))
      .map(keyOf);
  }

  #index({ object, previous }: { object?: KubeObject; previous?: KubeObject }): void {
    const kind = (object ?? previous)?.kind;
    const index =
      kind === 'Pod'
        ? this.#pods
        : kind === 'Service'
          ? this.#services
          : kind === 'EndpointSlice'
            ? this.#slices
            : undefined;
    if (previous) index?.remove(previous);
    if (object) index?.add(object);
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => this.flush());
  }

  #sync(key: string): void {
    const [namespace = '', name = ''] = key.split('/');
    const service = this.#store.get('Service', namespace, name);
    const existing = this.#slices.of(key).filter(isOurs);
    if (!service) {
      this.#triggerTimes.forget(key);
      for (const slice of existing) this.#delete(slice);
      return;
    }
    if (!hasManagedSlices(service)) return;
    const pods = this.#pods.of(namespace).filter((pod) => selects(service, pod));
    const zoneOf = (node: string) =>
      this.#store.get('Node', '', node)?.metadata.labels?.[ZONE_LABEL];
    const desired = desiredSlices(service, pods, { existing, zoneOf });
    const triggerTime = this.#triggerTimes.observe(service, pods);
    const kept = new Set(desired.map((slice) => slice.name));
    for (const slice of desired) this.#write(service, slice, triggerTime);
    for (const slice of existing) if (!kept.has(slice.metadata.name)) this.#delete(slice);
  }

  #write(
    service: KubeObject,
    { name, labels, ...fields }: DesiredSlice,
    triggerTime: string | undefined,
  ): void {
    const { namespace = '', name: serviceName, uid = '' } = service.metadata;
    const current = name && this.#store.get('EndpointSlice', namespace, name);
    if (current) {
      const next = { ...current, ...fields, metadata: { ...current.metadata, labels } };
      if (!isDeepStrictEqual(next, current)) this.#store.update(triggeredAt(next, triggerTime));
      return;
    }
    const owner = { apiVersion: 'v1', kind: 'Service', name: serviceName, uid };
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: '',
        generateName: `${serviceName}-`,
        namespace,
        labels,
        ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
      },
      ...fields,
    };
    this.#store.create(triggeredAt(slice, triggerTime));
  }

  #delete({ metadata: { namespace = '', name } }: KubeObject): void {
    if (this.#store.get('EndpointSlice', namespace, name)) {
      this.#store.delete('EndpointSlice', namespace, name);
    }
  }
}

/** A time that is not known takes away the one of the change before. */
function triggeredAt(slice: KubeObject, time: string | undefined): KubeObject {
  const { annotations: given, ...metadata } = slice.metadata;
  const { [TRIGGER_TIME]: _, ...others } = given ?? {};
  const annotations = time === undefined ? others : { ...others, [TRIGGER_TIME]: time };
  const hasAny = Object.keys(annotations).length > 0;
  return { ...slice, metadata: { ...metadata, ...(hasAny && { annotations }) } };
}

/** Objects by a key of theirs. */
class Index {
  readonly #keyOf: (object: KubeObject) => string;
  readonly #groups = new Map<string, Map<string, KubeObject>>();

  constructor(key: (object: KubeObject) => string) {
    this.#keyOf = key;
  }

  of(key: string): KubeObject[] {
    return [...(this.#groups.get(key)?.values() ?? [])];
  }

  add(object: KubeObject): void {
    const key = this.#keyOf(object);
    const group = this.#groups.get(key);
    if (group) group.set(keyOf(object), object);
    else this.#groups.set(key, new Map([[keyOf(object), object]]));
  }

  remove(object: KubeObject): void {
    const key = this.#keyOf(object);
    const group = this.#groups.get(key);
    group?.delete(keyOf(object));
    if (group?.size === 0) this.#groups.delete(key);
  }
}

function namespaceOf({ metadata }: KubeObject): string {
  return metadata.namespace ?? '';
}

function serviceOfSlice({ metadata }: KubeObject): string {
  return nameKey(metadata.namespace ?? '', metadata.labels?.[SERVICE_NAME_LABEL] ?? '');
}

function isOurs({ metadata }: KubeObject): boolean {
  return metadata.labels?.[MANAGED_BY_LABEL] === MANAGER;
}
