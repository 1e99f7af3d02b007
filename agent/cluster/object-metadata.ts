// SPDX-License-Identifier: Apache-2.0
// What every Kubernetes object has: a namespace, a name, labels. Used by the parsers and by the
// sources, which must know an object's key also when the rest of it makes no sense.

import { type ObjectKey, objectKey } from '../model/objects.ts';
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

interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export interface ObjectMetadata extends ObjectName {
  readonly labels: JsonObject;
  readonly creationTimestamp: string | undefined;
}

/** @throws FieldError when there is no name, or a field has the wrong type. */
export function readMetadata(object: JsonObject): ObjectMetadata {
  const metadata = objectField(object, 'metadata');
  return within('metadata', () => ({
    ...readName(metadata),
    labels: optionalObjectField(metadata, 'labels'),
    creationTimestamp: optionalText(metadata, 'creationTimestamp'),
  }));
}

/** Whether the label is there, whatever its value. */
export function hasLabel(metadata: ObjectMetadata, label: string): boolean {
  return Object.hasOwn(metadata.labels, label);
}

/** The key of an object; `invalid` says why it has none. Never throws. */
export function parseKey(
  json: unknown,
): { readonly key: ObjectKey } | { readonly invalid: string } {
  if (!isObject(json)) return { invalid: 'the object is not a JSON object' };
  try {
    const metadata = objectField(json, 'metadata');
    return { key: objectKey(within('metadata', () => readName(metadata))) };
  } catch (error) {
    if (error instanceof FieldError) return { invalid: error.message };
    throw error;
  }
}

function readName(metadata: JsonObject): ObjectName {
  const name = pathSegment(metadata, 'name');
  if (name === undefined) throw new FieldError('name', undefined, 'a text');
  return { namespace: intern(pathSegment(metadata, 'namespace') ?? 'default'), name };
}

/** A slash would make two objects share one key; '' is absent, as Kubernetes has it. */
function pathSegment(metadata: JsonObject, field: string): string | undefined {
  const text = optionalText(metadata, field);
  if (text?.includes('/')) throw new FieldError(field, text, `a ${field} without "/"`);
  return text === '' ? undefined : text;
}
