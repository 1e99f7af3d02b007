// SPDX-License-Identifier: Apache-2.0
// From a request's path to what it means: which resource, namespace, name and subresource. Pure.

import { findResource, type Resource, type Subresource } from './resources.ts';

export interface Route {
  readonly resource: Resource;
  /** '' for cluster-scoped kinds and for all namespaces. */
  readonly namespace: string;
  /** Absent for the collection. */
  readonly name?: string;
  readonly subresource?: Subresource;
}

/** @returns undefined when the path names nothing that the server knows. */
export function parseRoute(path: string): Route | undefined {
  const parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  const [root, ...rest] = parts;
  if (root === 'api') return routeWithin('', rest[0] ?? '', rest.slice(1));
  if (root === 'apis') return routeWithin(rest[0] ?? '', rest[1] ?? '', rest.slice(2));
  return undefined;
}

function routeWithin(group: string, version: string, path: readonly string[]): Route | undefined {
  const [first, namespace, plural] = path;
  const isInNamespace =
    first === 'namespaces' &&
    namespace &&
    plural &&
    findResource(group, version, plural)?.namespaced;
  return isInNamespace
    ? routeTo(group, version, namespace, path.slice(2))
    : routeTo(group, version, '', path);
}

function routeTo(
  group: string,
  version: string,
  namespace: string,
  [plural, name, subresource, ...more]: readonly string[],
): Route | undefined {
  const resource = plural && findResource(group, version, plural);
  if (!resource || more.length > 0) return undefined;
  if (name && resource.namespaced && namespace === '') return undefined;
  if (subresource === undefined) return { resource, namespace, ...(name && { name }) };
  const known = resource.subresources.find((candidate) => candidate === subresource);
  return known && name ? { resource, namespace, name, subresource: known } : undefined;
}
