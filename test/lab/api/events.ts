// SPDX-License-Identifier: Apache-2.0
// Events live under two API groups, with other names for some fields: here the one form becomes the other.
// Invariant: the API server stores the core form, so that both groups show the same Events. Pure.

import type { KubeObject } from '../kube-object.ts';
import { apiVersionOf, type Resource } from './resources.ts';

const CORE = 'v1';
const GROUPED = 'events.k8s.io/v1';

/** The fields whose names differ (KEP-383); all others are the same. */
const NAMES: readonly (readonly [core: string, grouped: string])[] = [
  ['message', 'note'],
  ['involvedObject', 'regarding'],
  ['reportingComponent', 'reportingController'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['source', 'deprecatedSource'],
];

const TO_CORE = new Map(NAMES.map(([core, grouped]) => [grouped, core]));
const TO_GROUPED = new Map(NAMES);

/**
 * `object` as `apiVersion` shows it. A field that is unknown there because it has another name is dropped,
 * as every unknown field is. Objects of other kinds are the same in every version.
 */
export function inVersion(object: KubeObject, apiVersion: string): KubeObject {
  if (object.kind !== 'Event' || object.apiVersion === apiVersion) return { ...object, apiVersion };
  const names = apiVersion === GROUPED ? TO_GROUPED : TO_CORE;
  const foreign = new Set(names.values());
  const fields = Object.entries(object)
    .filter(([name]) => !foreign.has(name))
    .map(([name, value]) => [names.get(name) ?? name, value]);
  return { ...(Object.fromEntries(fields) as KubeObject), apiVersion };
}

/** `object`, as a client of `resource` wrote it, in the form that is stored. */
export function inStoredVersion(resource: Resource, object: KubeObject): KubeObject {
  if (resource.kind !== 'Event') return object;
  return inVersion({ ...object, apiVersion: apiVersionOf(resource) }, CORE);
}

/** The path of a stored field, from the path that a client of `resource` calls it by. */
export function storedField(resource: Resource, path: string): string {
  if (!isGroupedEvent(resource)) return path;
  const [first = '', ...rest] = path.split('.');
  return [TO_CORE.get(first) ?? first, ...rest].join('.');
}

/** Events of events.k8s.io are checked more strictly than those of the core group. */
export function isGroupedEvent(resource: Resource): boolean {
  return resource.kind === 'Event' && apiVersionOf(resource) === GROUPED;
}
