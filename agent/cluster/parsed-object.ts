// SPDX-License-Identifier: Apache-2.0
// The frame of every parser: any JSON in, a Parsed out, never an exception. What is of the wrong JSON type
// costs the object, or the entry of a list that it stands in; a value that makes no sense costs itself alone.

import { messageOf } from '../errors.ts';
import type { Parsed } from '../model/cluster-state.ts';
import { FieldError, isObject, type JsonObject } from './json-fields.ts';

/** @param read reads the object; its FieldErrors make the object invalid. */
export function parseObject<Spec>(
  json: unknown,
  read: (object: JsonObject) => Parsed<Spec>,
): Parsed<Spec> {
  if (!isObject(json)) return { invalid: 'the object is not a JSON object' };
  try {
    return read(json);
  } catch (error) {
    if (error instanceof FieldError) return { invalid: error.message };
    throw error;
  }
}

/** What `parse` makes of `json`; an object on which it fails, which is a bug, costs itself alone. */
export function guarded<Spec>(parse: (json: unknown) => Parsed<Spec>, json: unknown): Parsed<Spec> {
  try {
    return parse(json);
  } catch (error) {
    return { invalid: `it cannot be read, which is a bug of this agent: ${messageOf(error)}` };
  }
}

/** How many parts that are left out are named one by one. */
const NAMED = 3;

/** `spec`, which lacks what `errors` name. */
export function parsedWithout<Spec>(spec: Spec, errors: readonly FieldError[]): Parsed<Spec> {
  if (errors.length === 0) return { spec };
  const named = errors.slice(0, NAMED).map(({ message }) => message);
  const others = errors.length - named.length;
  return { spec, leftOut: named.join('; ') + (others > 0 ? `; and ${others} more` : '') };
}
