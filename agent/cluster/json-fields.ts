// SPDX-License-Identifier: Apache-2.0
// Reads fields out of JSON that nobody vouches for. Used by the parsers of this folder. A field that
// makes no sense throws a FieldError, whose path is put together on the way out (`within`, `each`):
// an object that is in order pays nothing for good messages.

import { inspect } from 'node:util';
import { beginningOf } from './short-text.ts';

export type JsonObject = { readonly [key: string]: unknown };

const SHOWN_CHARS = 60;
const SHOWN = { depth: 1, breakLength: Number.POSITIVE_INFINITY } as const;

/** A field that makes no sense. The message names its path, its value, and what was expected. */
export class FieldError extends Error {
  #path: string;
  readonly #complaint: string;

  /** @param expected what the value should have been, as in "is not `expected`". */
  constructor(path: string, value: unknown, expected: string) {
    super();
    this.#path = path;
    this.#complaint =
      value === undefined || value === null
        ? `is missing, must be ${expected}`
        : `${shown(value)} is not ${expected}`;
  }

  override get message(): string {
    return `${this.#path}: ${this.#complaint}`;
  }

  /** Says in which field of the object around it the failing field stands. */
  putInside(outer: string): void {
    this.#path = this.#path.startsWith('[') ? outer + this.#path : `${outer}.${this.#path}`;
  }
}

/** Runs `read`, which reads fields of the object in field `field`; its errors then say so. */
export function within<T>(field: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FieldError) error.putInside(field);
    throw error;
  }
}

/** What `read` returns; undefined when what it reads makes no sense: `onError` takes that, and all else goes on. */
export function attempt<T>(read: () => T, onError: (error: FieldError) => void): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    onError(error);
    return undefined;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws FieldError unless `object[field]` is an object. */
export function objectField(object: JsonObject, field: string): JsonObject {
  const value = object[field];
  if (isObject(value)) return value;
  throw new FieldError(field, value, 'an object');
}

/** Like {@link objectField}; absent or null is an empty object. */
export function optionalObjectField(object: JsonObject, field: string): JsonObject {
  return object[field] === undefined || object[field] === null ? {} : objectField(object, field);
}

/** @throws FieldError unless `object[field]` is a list, absent, or null (both are an empty list). */
export function listField(object: JsonObject, field: string): readonly unknown[] {
  const value = object[field] ?? [];
  if (Array.isArray(value)) return value;
  throw new FieldError(field, value, 'a list');
}

/** Stands for every list without entries: thousands of objects have some. */
export const NO_ENTRIES: readonly never[] = Object.freeze([]);

/**
 * `read` for each entry of the list `object[field]`; what it returns undefined for is left out.
 *
 * @param read is told where the entry stands, for its own errors: `[3]`.
 * @param onError takes the error of one entry, so that the others are read; without it, one error costs the list.
 */
export function eachEntry<T>(
  object: JsonObject,
  field: string,
  read: (entry: unknown, at: string) => T | undefined,
  onError?: (error: FieldError) => void,
): readonly T[] {
  const entries = listField(object, field);
  if (entries.length === 0) return NO_ENTRIES;
  const results: T[] = [];
  for (let i = 0; i < entries.length; i++) {
    try {
      const result = read(entries[i], `[${i}]`);
      if (result !== undefined) results.push(result);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      error.putInside(field);
      if (!onError) throw error;
      onError(error);
    }
  }
  // A list that grew by push keeps room for 16 more: a copy is half the agent's memory at 10,000 services.
  return results.length === 0 ? NO_ENTRIES : results.slice();
}

/** Like {@link eachEntry}, for a list of objects. */
export function each<T>(
  object: JsonObject,
  field: string,
  read: (item: JsonObject, at: string) => T | undefined,
  onError?: (error: FieldError) => void,
): readonly T[] {
  const readObject = (entry: unknown, at: string) => {
    if (!isObject(entry)) throw new FieldError(at, entry, 'an object');
    return within(at, () => read(entry, at));
  };
  return eachEntry(object, field, readObject, onError);
}

/** Like {@link eachEntry}, for a list of texts. Blank ones are left out; what is read twice is there once. */
export function eachText<T extends string>(
  object: JsonObject,
  field: string,
  read: (text: string, at: string) => T,
  onError?: (error: FieldError) => void,
): readonly T[] {
  const readText = (entry: unknown, at: string) => {
    if (typeof entry !== 'string') throw new FieldError(at, entry, 'a text');
    return entry.trim() === '' ? undefined : read(entry, at);
  };
  return withoutRepeats(eachEntry(object, field, readText, onError));
}

/** `list` itself when nothing in it is there twice. */
export function withoutRepeats<T extends string>(list: readonly T[]): readonly T[] {
  const different = new Set(list);
  return different.size === list.length ? list : [...different];
}

/** @throws FieldError unless `object[field]` is a text, absent, or null (both are undefined). */
export function optionalText(object: JsonObject, field: string): string | undefined {
  const value = object[field];
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) return undefined;
  throw new FieldError(field, value, 'a text');
}

/** @throws FieldError unless `object[field]` is true, false, absent, or null (both are undefined). */
export function optionalBoolean(object: JsonObject, field: string): boolean | undefined {
  const value = object[field];
  if (typeof value === 'boolean') return value;
  if (value === undefined || value === null) return undefined;
  throw new FieldError(field, value, 'true or false');
}

/** `value` as a message quotes it: never long. */
export function shown(value: unknown): string {
  // Aliases in YAML can make an object contain itself, which JSON cannot write.
  const text = typeof value === 'string' ? JSON.stringify(value) : inspect(value, SHOWN);
  return text.length > SHOWN_CHARS ? `${beginningOf(text, SHOWN_CHARS)}…` : text;
}
