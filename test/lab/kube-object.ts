// SPDX-License-Identifier: Apache-2.0
// A Kubernetes object as the lab holds it: plain JSON, frozen once stored, with its text kept beside
// it, so that a list of ten thousand is joined from texts and never serialised again.

export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

const texts = new WeakMap<KubeObject, string>();

/** Copies `object` into an immutable value and keeps its JSON text. Drops undefined fields. */
export function freezeObject(object: KubeObject): KubeObject {
  const text = JSON.stringify(object);
  const frozen = deepFreeze(JSON.parse(text)) as KubeObject;
  texts.set(frozen, text);
  return frozen;
}

/** The JSON text of `object`: kept if it came out of {@link freezeObject}, else made now. */
export function jsonText(object: KubeObject): string {
  return texts.get(object) ?? JSON.stringify(object);
}

/** The name under which the lab finds an object of a kind: namespace is '' for cluster-scoped kinds. */
export function nameKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

export function keyOf(object: KubeObject): string {
  return nameKey(object.metadata.namespace ?? '', object.metadata.name);
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner);
  }
  return Object.freeze(value);
}
