// SPDX-License-Identifier: Apache-2.0
// The frame of every parser: any JSON in, a Parsed out, never an exception.

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
