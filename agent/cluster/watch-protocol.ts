// SPDX-License-Identifier: Apache-2.0
// What the API server answers to a list and to a watch, taken apart. Pure; used by the reflector.

import { messageOf } from '../errors.ts';
import { ApiError, MAX_SAID_CHARS } from './api-error.ts';
import { isObject, type JsonObject, shown } from './json-fields.ts';
import { beginningOf } from './short-text.ts';

export interface ListPage {
  readonly items: readonly unknown[];
  /** Token of the next page. */
  readonly continueAt: string | undefined;
  /** Of the whole list: where a watch goes on. */
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: JsonObject;
  readonly resourceVersion: string | undefined;
}

const EVENT_TYPES: readonly unknown[] = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'];

/** @throws ApiError of kind `answer` when `json` is not a list. */
export function parseListPage(json: unknown): ListPage {
  const { items, metadata } = isObject(json) ? json : {};
  const resourceVersion = metadataText(metadata, 'resourceVersion');
  // Go writes a list of nothing as null.
  if (!resourceVersion || (items !== null && !Array.isArray(items))) {
    throw new ApiError('answer', 'the answer is not a Kubernetes list');
  }
  return { items: items ?? [], continueAt: metadataText(metadata, 'continue'), resourceVersion };
}

/** @throws ApiError of kind `answer` for an ERROR event, with its code, and when `line` is no event. */
export function parseWatchEvent(line: string): WatchEvent {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (error) {
    throw new ApiError('answer', `a watch event is not JSON: ${messageOf(error)}`);
  }
  const { type, object } = isObject(json) ? json : {};
  if (!isObject(object)) throw new ApiError('answer', 'a watch event has no object');
  if (type === 'ERROR') {
    const { code, message, reason } = object;
    const why = [code, message ?? reason].map(inWords).join(' ');
    throw new ApiError('answer', `the watch ended with an error: ${why}`, {
      ...(typeof code === 'number' ? { status: code } : {}),
    });
  }
  if (!EVENT_TYPES.includes(type)) {
    throw new ApiError('answer', `a watch event has the unknown type ${shown(type)}`);
  }
  const resourceVersion = metadataText(object.metadata, 'resourceVersion');
  return { type: type as WatchEvent['type'], object, resourceVersion };
}

/** Texts as they are, but not at any length. */
function inWords(value: unknown): string {
  return typeof value === 'string' ? beginningOf(value, MAX_SAID_CHARS) : shown(value);
}

/** @returns undefined also for '', which is how Go writes none. */
function metadataText(metadata: unknown, field: string): string | undefined {
  const value = isObject(metadata) ? metadata[field] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
