// SPDX-License-Identifier: Apache-2.0
// The text of one manifest, reduced to the watched objects in it. Pure; used by manifest-source.ts.
// Plays the API server's part where a hand-written object relies on its defaults.

import type { WatchedKind } from '../model/cluster-state.ts';
import { readYaml, repeatedKeyMessage } from '../yaml.ts';
import { FieldError, isObject, type JsonObject } from './json-fields.ts';
import { parseKey } from './object-metadata.ts';
import { type Deliver, ENDPOINT_SLICES, MANIFEST_RESOURCES } from './watched-resources.ts';

export interface ManifestObject {
  readonly kind: WatchedKind;
  /** Unique within its kind. */
  readonly key: string;
  readonly deliver: Deliver;
}

export type Manifest =
  | {
      readonly objects: readonly ManifestObject[];
      /** Objects without a usable name, or of another version: they are left out, the others are not. */
      readonly problems: readonly string[];
    }
  /** Not Kubernetes objects in YAML or JSON: where, and why. */
  | { readonly unreadable: string };

/** Reads YAML (any number of documents) or JSON. Other kinds are ignored. Never throws. */
export function parseManifest(text: string, format: 'yaml' | 'json'): Manifest {
  const documents = (format === 'json' && jsonDocument(text)) || yamlDocuments(text);
  if ('unreadable' in documents) return documents;
  const objects: ManifestObject[] = [];
  const problems: string[] = [];
  for (const [i, document] of documents.values.entries()) {
    if (document === null) continue;
    // Half a file is often good YAML: it must not take the place of the whole one.
    if (!isObject(document) || typeof document.kind !== 'string') {
      return { unreadable: `document ${i + 1} is not a Kubernetes object: it has no kind` };
    }
    for (const json of items(document)) {
      const read = readObject(json);
      if (typeof read === 'string') problems.push(read);
      else if (read) objects.push(read);
    }
  }
  return { objects, problems };
}

/** @returns undefined for other kinds, a problem for an object without a usable name. */
function readObject(json: unknown): ManifestObject | string | undefined {
  if (!isObject(json)) return 'an item of a List is not an object';
  if (typeof json.kind !== 'string') return 'an item of a List has no kind';
  const resource = MANIFEST_RESOURCES.find(
    ({ kind, apiVersion }) => json.kind === kind && isOfGroup(json.apiVersion, apiVersion),
  );
  if (!resource) return undefined;
  const { kind, apiVersion } = resource;
  const identity = parseKey(json, resource.scope);
  if ('invalid' in identity) return `${kind} left out: ${identity.invalid}`;
  if (json.apiVersion !== apiVersion) {
    const { message } = new FieldError('apiVersion', json.apiVersion, apiVersion);
    return `${kind} ${identity.key} left out: ${message}`;
  }
  const complete = resource === ENDPOINT_SLICES ? withPortNames(json) : json;
  return { kind, key: identity.key, deliver: resource.parse(complete) };
}

/** Whether somebody means a kind of this group, in whatever version; other groups have Services of their own. */
function isOfGroup(given: unknown, apiVersion: string): boolean {
  return typeof given !== 'string' || groupOf(given) === groupOf(apiVersion);
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

type Documents = { readonly values: readonly unknown[] } | { readonly unreadable: string };

/** Fast, but silent about where an error is; the YAML parser, which reads JSON too, knows. */
function jsonDocument(text: string): Documents | undefined {
  try {
    return { values: [JSON.parse(text)] };
  } catch {
    return undefined;
  }
}

function yamlDocuments(text: string): Documents {
  const values: unknown[] = [];
  for (const document of readYaml(text)) {
    if ('unreadable' in document) return document;
    const [repeated] = document.repeatedKeys;
    if (repeated) return { unreadable: repeatedKeyMessage(repeated) };
    values.push(document.value);
  }
  return { values };
}

/**
 * The object itself, or what is in it: when it is a List as `kubectl get -o yaml` writes it, or a ServiceList as
 * the API server does, whose items do not say what they are.
 */
function items(document: JsonObject): readonly unknown[] {
  const { kind, apiVersion, items } = document;
  if (!Array.isArray(items)) return [document];
  if (kind === 'List') return items;
  const resource = MANIFEST_RESOURCES.find(
    (resource) => kind === `${resource.kind}List` && apiVersion === resource.apiVersion,
  );
  if (!resource) return [document];
  return items.map((item: unknown) =>
    isObject(item) ? { ...item, kind: resource.kind, apiVersion } : item,
  );
}

/** The API server names an unnamed EndpointSlice port ''; a manifest has not been there. */
function withPortNames(slice: JsonObject): JsonObject {
  if (!Array.isArray(slice.ports)) return slice;
  return {
    ...slice,
    ports: slice.ports.map((port: unknown) =>
      isObject(port) ? { ...port, name: port.name ?? '' } : port,
    ),
  };
}
