// SPDX-License-Identifier: Apache-2.0
// Label and field selectors, in the text form of list and watch requests. Pure.

import { ApiError } from '../api-error.ts';
import type { KubeObject } from '../kube-object.ts';
import { storedField } from './events.ts';
import type { Resource } from './resources.ts';

export type Predicate = (object: KubeObject) => boolean;

const SET_REQUIREMENT = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/;
const EQUALITY = /^([^=!\s]+)\s*(==|=|!=)\s*(.*)$/;

/**
 * @param resource whose names for fields the selectors use.
 * @returns a predicate for both selectors together; undefined when neither says anything.
 */
export function parseSelectors(resource: Resource, query: URLSearchParams): Predicate | undefined {
  const predicates = [
    ...requirements(query.get('labelSelector')).map(labelRequirement),
    ...requirements(query.get('fieldSelector')).map((text) => fieldRequirement(resource, text)),
  ];
  if (predicates.length === 0) return undefined;
  return (object) => predicates.every((predicate) => predicate(object));
}

/** Splits at commas outside parentheses. */
function requirements(selector: string | null): string[] {
  return (selector?.match(/(?:[^,(]|\([^)]*\))+/g) ?? [])
    .map((part) => part.trim())
    .filter(Boolean);
}

function labelRequirement(text: string): Predicate {
  const set = SET_REQUIREMENT.exec(text);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return ({ metadata }) => {
      const value = metadata.labels?.[key];
      const isIn = value !== undefined && values.includes(value);
      return isIn === (operator === 'in');
    };
  }
  const equality = EQUALITY.exec(text);
  if (equality) {
    const [, key = '', operator, wanted] = equality;
    return ({ metadata }) => (metadata.labels?.[key] === wanted) === (operator !== '!=');
  }
  const isAbsence = text.startsWith('!');
  const key = isAbsence ? text.slice(1).trim() : text;
  if (!/^[\w./-]+$/.test(key)) {
    throw new ApiError(400, `unable to parse requirement: ${text}`);
  }
  return ({ metadata }) => (metadata.labels?.[key] !== undefined) !== isAbsence;
}

/** Any scalar field can be selected by; a field that is not there is the empty string. */
function fieldRequirement(resource: Resource, text: string): Predicate {
  const equality = EQUALITY.exec(text);
  if (!equality) throw new ApiError(400, `invalid field selector: ${text}`);
  const [, field = '', operator, wanted] = equality;
  const path = storedField(resource, field).split('.');
  return (object) => (fieldText(object, path) === wanted) === (operator !== '!=');
}

function fieldText(object: KubeObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const step of path) value = (value as Record<string, unknown> | undefined)?.[step];
  return value === undefined || value === null ? '' : String(value);
}
