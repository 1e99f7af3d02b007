// SPDX-License-Identifier: Apache-2.0
// What every Kubernetes object has: a name, labels and, in most kinds, a namespace. Used by the parsers and by
// the sources, which must know an object's key also when the rest of it makes no sense.

import { objectKey } from '../model/objects.ts';
import { intern } from './intern.ts';
import {
  FieldError,
  isObject,
  type JsonObject,
  objectField,
  optionalObjectField,
  optionalText,
  within,
} from './json-fields.ts';

/** Whether objects of a kind belong to a namespace, or to the whole cluster. */
export type Scope = 'Namespaced' | 'Cluster';

export interface ObjectMetadata {
  readonly name: string;
  readonly labels: JsonObject;
}

export interface NamespacedMetadata extends ObjectMetadata {
  readonly namespace: string;
  readonly creationTimestamp: string | undefined;
}

/**
 * Of an object that belongs to the whole cluster.
 *
 * @throws FieldError when there is no name, or a field has the wrong type.
 */
export function readClusterMetadata(object: JsonObject): ObjectMetadata {
  const metadata = objectField(object, 'metadata');
  return within('metadata', () => ({
    name: readName(metadata),
    labels: optionalObjectField(metadata, 'labels'),
  }));
}

/** Of an object in a namespace. @throws FieldError as {@link readClusterMetadata} does. */
export function readMetadata(object: JsonObject): NamespacedMetadata {
  const metadata = objectField(object, 'metadata');
  const { name, labels } = readClusterMetadata(object);
  return within('metadata', () => ({
    namespace: readNamespace(metadata),
    name,
    labels,
    creationTimestamp: optionalText(metadata, 'creationTimestamp'),
  }));
}

/** Whether the label is there, whatever its value. */
export function hasLabel(metadata: ObjectMetadata, label: string): boolean {
  return Object.hasOwn(metadata.labels, label);
}

/**
 * The value of an annotation; undefined when it is not there.
 *
 * @throws FieldError when it is no text, or what is around it makes no sense.
 */
export function annotationText(object: JsonObject, annotation: string): string | undefined {
  return within('metadata', () => {
    const annotations = optionalObjectField(objectField(object, 'metadata'), 'annotations');
    return within('annotations', () =>
      Object.hasOwn(annotations, annotation) ? optionalText(annotations, annotation) : undefined,
    );
  });
}

/** The value of a label; undefined when it is not there. @throws FieldError when it is no text. */
export function labelText(metadata: ObjectMetadata, label: string): string | undefined {
  return within('metadata', () =>
    within('labels', () =>
      hasLabel(metadata, label) ? optionalText(metadata.labels, label) : undefined,
    ),
  );
}

/**
 * What an object is held under, unique within its kind: namespace/name, or the name alone of what belongs to
 * the whole cluster. `invalid` says why it has none. Never throws.
 */
export function parseKey(
  json: unknown,
  scope: Scope,
): { readonly key: string } | { readonly invalid: string } {
  if (!isObject(json)) return { invalid: 'the object is not a JSON object' };
  try {
    const metadata = objectField(json, 'metadata');
    return { key: within('metadata', () => keyOf(metadata, scope)) };
  } catch (error) {
    if (error instanceof FieldError) return { invalid: error.message };
    throw error;
  }
}

function keyOf(metadata: JsonObject, scope: Scope): string {
  const name = readName(metadata);
  return scope === 'Cluster' ? name : objectKey({ namespace: readNamespace(metadata), name });
}

function readName(metadata: JsonObject): string {
  const name = pathSegment(metadata, 'name');
  if (name === undefined) throw new FieldError('name', undefined, 'a text');
  return name;
}

function readNamespace(metadata: JsonObject): string {
  return intern(pathSegment(metadata, 'namespace') ?? 'default');
}

/** A slash would make two objects share one key; '' is absent, as Kubernetes has it. */
function pathSegment(metadata: JsonObject, field: string): string | undefined {
  const text = optionalText(metadata, field);
  if (text?.includes('/')) throw new FieldError(field, text, `a ${field} without "/"`);
  return text === '' ? undefined : text;
}
