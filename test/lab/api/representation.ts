// SPDX-License-Identifier: Apache-2.0
// How objects are written into answers: as they are, from their kept text, or as rows of a Table.
// Decided by the Accept header. JSON is the only wire form.

import { ApiError } from '../api-error.ts';
import { jsonText, type KubeObject } from '../kube-object.ts';
import { columnsOf } from './columns.ts';
import { inVersion } from './events.ts';
import { apiVersionOf, type Resource } from './resources.ts';

export interface Page {
  readonly objects: readonly KubeObject[];
  readonly resourceVersion: number;
  readonly next?: string;
  readonly remaining?: number;
}

export interface Representation {
  /** The JSON text of one object. */
  one(object: KubeObject): string;
  /** The JSON text of a list, in pieces of bounded size. */
  list(page: Page): Iterable<string>;
  /** Bookmarks are written by {@link bookmark}; a Table has none. */
  readonly hasBookmarks: boolean;
}

const PIECE = 500;

/** @throws ApiError 406 when the client takes no JSON at all. */
export function negotiate(
  resource: Resource,
  accept: string,
  query: URLSearchParams,
): Representation {
  for (const wanted of accept.split(',').map((part) => part.trim())) {
    const [mediaType = '', ...parameters] = wanted.split(';').map((part) => part.trim());
    if (!/^(application\/json|application\/\*|\*\/\*|)$/.test(mediaType)) continue;
    const as = parameters.find((parameter) => parameter.startsWith('as='))?.slice(3);
    if (as === undefined) return asObjects(resource);
    if (as === 'Table') {
      const version = parameters.find((parameter) => parameter.startsWith('v='))?.slice(2) ?? 'v1';
      return asTable(resource, version, query.get('includeObject') ?? 'Metadata');
    }
  }
  throw new ApiError(406, `only application/json is served here, not ${accept}`);
}

/** A watch's note of how far it has come. */
export function bookmark(
  resource: Resource,
  resourceVersion: number,
  endsInitial: boolean,
): string {
  return JSON.stringify({
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: {
      resourceVersion: String(resourceVersion),
      creationTimestamp: null,
      ...(endsInitial && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
    },
  });
}

function asObjects(resource: Resource): Representation {
  const apiVersion = apiVersionOf(resource);
  const one = (object: KubeObject) =>
    object.apiVersion === apiVersion ? jsonText(object) : jsonText(inVersion(object, apiVersion));
  return {
    one,
    hasBookmarks: true,
    *list(page) {
      const head = { kind: `${resource.kind}List`, apiVersion, metadata: listMetadata(page) };
      yield `${JSON.stringify(head).slice(0, -1)},"items":[`;
      for (let at = 0; at < page.objects.length; at += PIECE) {
        yield (at > 0 ? ',' : '') +
          page.objects
            .slice(at, at + PIECE)
            .map(one)
            .join(',');
      }
      yield ']}\n';
    },
  };
}

function asTable(resource: Resource, version: string, includeObject: string): Representation {
  const columns = columnsOf(resource.kind);
  const apiVersion = `meta.k8s.io/${version}`;
  const partOf = (object: KubeObject) => {
    if (includeObject === 'None') return null;
    if (includeObject === 'Object') return inVersion(object, apiVersionOf(resource));
    return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata };
  };
  const table = (objects: readonly KubeObject[], metadata: object) => {
    const nowMs = Date.now();
    return JSON.stringify({
      kind: 'Table',
      apiVersion,
      metadata,
      columnDefinitions: columns.map(({ name, isWide }) => ({
        name,
        type: 'string',
        format: name === 'Name' ? 'name' : '',
        description: '',
        priority: isWide ? 1 : 0,
      })),
      rows: objects.map((object) => ({
        cells: columns.map((column) => column.cell(object, nowMs)),
        object: partOf(object),
      })),
    });
  };
  return {
    one: (object) => table([object], { resourceVersion: object.metadata.resourceVersion }),
    list: (page) => [table(page.objects, listMetadata(page))],
    hasBookmarks: false,
  };
}

function listMetadata({ resourceVersion, next, remaining }: Page): object {
  return {
    resourceVersion: String(resourceVersion),
    ...(next !== undefined && { continue: next, remainingItemCount: remaining }),
  };
}
