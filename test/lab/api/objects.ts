// SPDX-License-Identifier: Apache-2.0
// Reading, creating, changing and deleting single objects: what a request's verb and subresource mean
// to the store. Knows nothing of HTTP but the names of media types.

import { parse as parseYaml } from 'yaml';
import { ApiError, notFound } from '../api-error.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ObjectStore } from '../object-store.ts';
import { markedForDeletion } from '../pod-deletion.ts';
import { checkEvent } from './event-validation.ts';
import { inStoredVersion, inVersion, isGroupedEvent } from './events.ts';
import { applyPatch, strategicMerge } from './patch.ts';
import { apiVersionOf, isNamespaced, RESOURCES, type Resource } from './resources.ts';
import type { Route } from './route.ts';
import { fromScale, toScale } from './scale.ts';

export interface Body {
  readonly mediaType: string;
  readonly text: string;
}

export interface ObjectsOptions {
  /** Deleting a Pod that is on a node only sets its deletionTimestamp: the node's part is somebody else's. */
  readonly gracefulPodDeletion: boolean;
}

/** Named routes only: `name` is there. */
export type ObjectRoute = Route & { readonly name: string };

const APPLY = 'application/apply-patch+yaml';

export class Objects {
  readonly #store: ObjectStore;
  readonly #options: ObjectsOptions;

  constructor(store: ObjectStore, options: ObjectsOptions) {
    this.#store = store;
    this.#options = options;
  }

  get(route: ObjectRoute): KubeObject {
    const object = this.#current(route);
    return route.subresource === 'scale' ? toScale(object) : object;
  }

  create(route: Route, body: Body): KubeObject {
    const object = parseObject(body);
    checkType(route.resource, object);
    return this.#store.create(admitted(route, object));
  }

  replace(route: ObjectRoute, body: Body): KubeObject {
    return this.#write(route, parseObject(body));
  }

  /** @returns the object, and whether it was made by this (server-side apply). */
  patch(route: ObjectRoute, body: Body): { object: KubeObject; isNew: boolean } {
    const { resource, namespace, name, subresource } = route;
    const present = this.#store.get(resource.kind, namespace, name);
    if (body.mediaType === APPLY && !subresource) {
      const object = parseObject(body);
      checkType(resource, object);
      return { object: this.#store.apply(admitted(route, object, present)), isNew: !present };
    }
    const current = asSeen(resource, withoutVersion(this.get(route)));
    const patch = body.mediaType === APPLY ? parseYaml(body.text) : parseJson(body.text);
    const patched =
      body.mediaType === APPLY
        ? strategicMerge(current, patch)
        : applyPatch(body.mediaType, current, patch, resource.kind);
    return { object: this.#write(route, patched as KubeObject), isNew: false };
  }

  /** @returns the object if it lives on for now, undefined when it is gone, with what it was. */
  delete(
    route: ObjectRoute,
    query: URLSearchParams,
    body: Body,
  ): { gone: boolean; object: KubeObject } {
    const { kind } = route.resource;
    const current = this.#current(route);
    const options = (body.text ? parseJson(body.text) : {}) as DeleteOptions;
    checkPreconditions(current, options, route);
    if (kind === 'Pod' && this.#options.gracefulPodDeletion) {
      const marked = markedForDeletion(current, gracePeriod(query, options), Date.now());
      if (marked) return { gone: false, object: this.#store.update(marked) };
    }
    if (kind === 'Namespace') this.#empty(route.name);
    return { gone: true, object: this.#store.delete(kind, route.namespace, route.name) };
  }

  #empty(namespace: string): void {
    const kinds = new Set(RESOURCES.filter((entry) => entry.namespaced).map((entry) => entry.kind));
    for (const kind of kinds) {
      for (const { metadata } of this.#store.list(kind)) {
        if (metadata.namespace === namespace) this.#store.delete(kind, namespace, metadata.name);
      }
    }
  }

  #write(route: ObjectRoute, object: KubeObject): KubeObject {
    const current = this.#current(route);
    if (route.subresource === 'scale') {
      return toScale(this.#store.update(fromScale(withoutVersion(current), object)));
    }
    checkType(route.resource, object);
    const { resourceVersion } = object.metadata;
    if (route.subresource === 'status') {
      const metadata = {
        ...withoutVersion(current).metadata,
        ...(resourceVersion && { resourceVersion }),
      };
      return this.#store.update({ ...current, metadata, status: object.status });
    }
    // A write to the object itself leaves its status alone, where status has its own door.
    const keepsStatus =
      route.resource.subresources.includes('status') && current.status !== undefined;
    const written = keepsStatus ? { ...object, status: current.status } : object;
    return this.#store.update(admitted(route, written, current));
  }

  #current({ resource, namespace, name }: ObjectRoute): KubeObject {
    const object = this.#store.get(resource.kind, namespace, name);
    if (!object) throw notFound(groupResource(resource), name);
    return object;
  }
}

interface DeleteOptions {
  readonly gracePeriodSeconds?: number | null;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

function gracePeriod(query: URLSearchParams, options: DeleteOptions): number | undefined {
  const asked = query.get('gracePeriodSeconds') ?? options.gracePeriodSeconds ?? undefined;
  return asked === undefined ? undefined : Number(asked);
}

/** `plural.group`, as the server's messages name a resource. */
function groupResource({ plural, group }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/**
 * What is to be stored of what a client wrote.
 *
 * @param previous the object as it is, if it is there.
 * @throws ApiError 400, 422.
 */
function admitted(route: Route, object: KubeObject, previous?: KubeObject): KubeObject {
  const { resource } = route;
  const { status, ...withoutStatus } = inStoredVersion(resource, placed(route, object));
  // Whoever creates a Service cannot know its load balancer yet: status has its own door.
  const isEarly = resource.kind === 'Service' && !previous;
  const stored = isEarly || status === undefined ? withoutStatus : { ...withoutStatus, status };
  if (resource.kind === 'Event') checkEvent(stored, isGroupedEvent(resource), previous);
  return stored;
}

/** `object` as clients of `resource` know it: patches are made for that. A Scale is nothing else anywhere. */
function asSeen(resource: Resource, object: KubeObject): KubeObject {
  return object.kind === resource.kind ? inVersion(object, apiVersionOf(resource)) : object;
}

function placed(route: Route, object: KubeObject): KubeObject {
  const { namespace, name = object.metadata?.name } = route;
  const given = object.metadata?.namespace;
  if (given && namespace && given !== namespace) {
    throw new ApiError(
      400,
      `the namespace of the provided object does not match the namespace sent on the request`,
    );
  }
  const { kind } = route.resource;
  const metadata = {
    ...object.metadata,
    name,
    ...(isNamespaced(kind) && namespace && { namespace }),
  };
  return { ...object, kind, metadata };
}

function checkType(resource: Resource, { kind, apiVersion }: KubeObject): void {
  if (
    kind !== resource.kind ||
    apiVersion?.split('/')[0] !== apiVersionOf(resource).split('/')[0]
  ) {
    throw new ApiError(
      400,
      `the object provided is ${apiVersion} ${kind}, this path takes ${apiVersionOf(resource)} ${resource.kind}`,
    );
  }
}

function checkPreconditions(
  current: KubeObject,
  { preconditions = {} }: DeleteOptions,
  { resource, name }: ObjectRoute,
): void {
  const { uid, resourceVersion } = preconditions;
  const { metadata } = current;
  const isOther =
    (uid && uid !== metadata.uid) ||
    (resourceVersion && resourceVersion !== metadata.resourceVersion);
  if (isOther) {
    throw new ApiError(
      409,
      `Operation cannot be fulfilled on ${groupResource(resource)} "${name}": Precondition failed`,
    );
  }
}

function withoutVersion(object: KubeObject): KubeObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function parseObject({ mediaType, text }: Body): KubeObject {
  const isYaml = mediaType.includes('yaml');
  if (!isYaml && mediaType !== '' && !mediaType.includes('json')) {
    throw new ApiError(
      415,
      'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml',
    );
  }
  const object = isYaml ? parseYaml(text) : parseJson(text);
  if (typeof object !== 'object' || object === null || typeof object.metadata !== 'object') {
    throw new ApiError(400, 'the body of the request is not a Kubernetes object');
  }
  return object as KubeObject;
}

// biome-ignore lint/suspicious/noExplicitAny: what a client sent may be anything
function parseJson(text: string): any {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError(400, `the body of the request is not JSON: ${(cause as Error).message}`);
  }
}
