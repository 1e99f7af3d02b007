// SPDX-License-Identifier: Apache-2.0
// One watch: what happened since, then what happens, as JSON lines on an open response. The start is
// one synchronous step, so that no change falls between the two.

import type { ServerResponse } from 'node:http';
import { ApiError } from '../api-error.ts';
import type { KubeObject } from '../kube-object.ts';
import type { ObjectStore, StoreEvent } from '../object-store.ts';
import { type Lists, tooLarge, within } from './list.ts';
import { bookmark, type Representation } from './representation.ts';
import type { Route } from './route.ts';
import { parseSelectors } from './selectors.ts';
import { failure } from './status.ts';

/** How the server says that a resourceVersion is gone: as an ERROR event in the stream, or as the response's status. */
export type GoneForm = 'event' | 'status';

export interface WatchRequest {
  readonly store: ObjectStore;
  readonly lists: Lists;
  readonly route: Route;
  readonly query: URLSearchParams;
  readonly representation: Representation;
  readonly response: ServerResponse;
  readonly bookmarkEveryMs: number;
  readonly gone: GoneForm;
}

/** Kubernetes ends watches that name no time-out after 30 to 60 minutes. */
const DEFAULT_TIMEOUT_SECONDS = 1800;
/** Frames per write of the initial state. */
const PIECE = 500;

/**
 * Serves a watch until its time-out or until its response is closed.
 *
 * @throws ApiError before anything was written.
 */
export function serveWatch(request: WatchRequest): void {
  const { store, lists, route, query, representation, response } = request;
  const predicate = parseSelectors(route.resource, query);
  const start = startOf(query);
  if (start.resumeFrom !== undefined && start.resumeFrom > store.resourceVersion) {
    throw tooLarge(start.resumeFrom, store.resourceVersion);
  }
  const missed =
    start.resumeFrom === undefined ? [] : store.eventsSince(route.resource.kind, start.resumeFrom);
  if (missed === 'gone') {
    refuseGone(request, start.resumeFrom ?? 0);
    return;
  }
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'no-cache, private',
  });
  response.flushHeaders();
  const hasBookmarks = query.get('allowWatchBookmarks') === 'true' && representation.hasBookmarks;
  const sendBookmark = (endsInitial = false) => {
    response.write(frame('BOOKMARK', bookmark(route.resource, store.resourceVersion, endsInitial)));
  };
  const send = (type: string, object: KubeObject) => frame(type, representation.one(object));
  if (start.sendsState) {
    const state = lists.select(route, predicate);
    for (let at = 0; at < state.length; at += PIECE) {
      response.write(
        state
          .slice(at, at + PIECE)
          .map((object) => send('ADDED', object))
          .join(''),
      );
    }
    if (start.marksState && hasBookmarks) sendBookmark(true);
  }
  const selects = within(route, predicate);
  const sendEvent = (event: StoreEvent) => {
    if (event.object.kind !== route.resource.kind) return;
    const type = seenAs(event, selects);
    if (type) response.write(send(type, event.object));
  };
  for (const event of missed) sendEvent(event);
  const unsubscribe = store.subscribe(sendEvent);
  const bookmarks = hasBookmarks && setInterval(() => sendBookmark(), request.bookmarkEveryMs);
  const timeoutMs = Number(query.get('timeoutSeconds') || DEFAULT_TIMEOUT_SECONDS) * 1000;
  const stop = () => {
    unsubscribe();
    clearTimeout(timeout);
    if (bookmarks) clearInterval(bookmarks);
  };
  const timeout = setTimeout(() => {
    stop();
    if (hasBookmarks) sendBookmark();
    response.end();
  }, timeoutMs);
  response.once('close', stop);
}

interface Start {
  readonly sendsState: boolean;
  /** The state's end is marked by a bookmark (WatchList). */
  readonly marksState: boolean;
  readonly resumeFrom?: number;
}

function startOf(query: URLSearchParams): Start {
  const resourceVersion = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(resourceVersion)) {
    throw new ApiError(
      400,
      `Invalid value: "${resourceVersion}": resourceVersion must be a number`,
    );
  }
  if (query.get('sendInitialEvents') === 'true') {
    if (query.get('resourceVersionMatch') !== 'NotOlderThan') {
      throw new ApiError(
        422,
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      );
    }
    return { sendsState: true, marksState: true };
  }
  const isAny = resourceVersion === '' || resourceVersion === '0';
  if (query.get('sendInitialEvents') !== 'false' && isAny) {
    return { sendsState: true, marksState: false };
  }
  if (isAny) return { sendsState: false, marksState: false };
  return { sendsState: false, marksState: false, resumeFrom: Number(resourceVersion) };
}

/** What a change is to a watcher that sees only what its selectors let through. */
function seenAs(
  { type, object, previous }: StoreEvent,
  selects: ((object: KubeObject) => boolean) | undefined,
): StoreEvent['type'] | undefined {
  if (!selects) return type;
  const was = previous !== undefined && selects(previous);
  const is = type !== 'DELETED' && selects(object);
  if (was) return is ? 'MODIFIED' : 'DELETED';
  return is ? 'ADDED' : undefined;
}

function refuseGone({ store, response, gone }: WatchRequest, asked: number): void {
  const message = `too old resource version: ${asked} (${store.resourceVersion})`;
  const error = new ApiError(410, message, gone === 'event' ? 'Expired' : 'Gone');
  if (gone === 'status') throw error;
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(frame('ERROR', JSON.stringify(failure(error))));
}

function frame(type: string, text: string): string {
  return `{"type":"${type}","object":${text}}\n`;
}
