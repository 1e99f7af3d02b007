// SPDX-License-Identifier: Apache-2.0
// Keeps the sink in step with one resource of the API server: a list, then a watch that is resumed
// for as long as the server remembers where it was, else a new list. Used by api-server-source.ts.
// Nothing is ever cleared: what a new list lacks is removed when the list is complete.

import type { ObjectSink } from '../model/cluster-state.ts';
import type { Logger } from '../telemetry/log.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { createBackoff } from './backoff.ts';
import { splitLines } from './json-lines.ts';
import { parseKey } from './object-metadata.ts';
import type { WatchState } from './object-source.ts';
import { pause } from './pause.ts';
import { type ListPage, parseListPage, parseWatchEvent } from './watch-protocol.ts';
import type { WatchedResource } from './watched-resources.ts';

export interface ReflectorOptions {
  readonly resource: WatchedResource;
  readonly client: ApiClient;
  readonly log: Logger;
  readonly timing?: Timing;
}

/** Chance and time, which tests decide themselves. */
export interface Timing {
  /** From 0 to 1. */
  random(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** How much longer than the server promised a watch may be silent. */
  readonly graceMs: number;
  /** A watch that ended sooner, and without an event, has failed. */
  readonly shortWatchMs: number;
}

export interface Reflector {
  readonly state: WatchState;
  /** Runs until `signal` aborts, and never rejects for what the server or the network does. */
  run(sink: ObjectSink, signal: AbortSignal): Promise<void>;
}

/**
 * A page is in memory as a whole, and a garbage collection meanwhile keeps its text for long: pages of 250 cost 20 to 40 MB more
 * at the peak of a start with 10,000 Services and save nothing; other clients ask for 500.
 */
const PAGE_SIZE = 100;
/** A watch is opened anew every 5 to 10 minutes, as kube-proxy does: no connection lives for ever. */
const WATCH_SECONDS = 300;

/** A kind that the server does not have or show is asked for again after 5 to 10 minutes. */
const UNAVAILABLE_RETRY_MS = 300_000;

const REAL_TIMING: Timing = { random: Math.random, pause, graceMs: 30_000, shortWatchMs: 1_000 };

export function createReflector(options: ReflectorOptions): Reflector {
  const { resource, client, log, timing = REAL_TIMING } = options;
  const { kind, path, scope, selectors } = resource;
  const backoff = createBackoff(timing.random);
  let state: WatchState = { kind, phase: 'listing', relists: 0, failures: 0 };
  let listedBefore = false;
  /** The last attempt at a list failed: until one is answered, that is what there is to say. */
  let isListFailing = false;
  /** The server's answer for as long as it does not have or show this kind, which is optional. */
  let refusal: string | undefined;
  /** Where the watch goes on; undefined: only a list can tell. */
  let position: string | undefined;

  const note = (change: Partial<WatchState>) => {
    state = { ...state, ...change };
  };

  function deliver(sink: ObjectSink, object: unknown): string | undefined {
    const identity = parseKey(object, scope);
    if ('key' in identity) {
      resource.parse(object)(sink, identity.key);
      return identity.key;
    }
    log.warn({ kind, reason: identity.invalid }, 'object without a usable name left out');
    return undefined;
  }

  async function list(sink: ObjectSink, signal: AbortSignal): Promise<void> {
    if (!isListFailing) note({ phase: 'listing' });
    isListFailing = true;
    const present = new Set<string>();
    let page: ListPage | undefined;
    do {
      const query: Record<string, string> = { ...selectors, limit: String(PAGE_SIZE) };
      if (page?.continueAt) query.continue = page.continueAt;
      page = parseListPage(await client.get({ path, query, signal }));
      if (signal.aborted) return;
      note({ phase: 'listing', lastContact: new Date() });
      for (const item of page.items) {
        const key = deliver(sink, item);
        if (key) present.add(key);
      }
    } while (page.continueAt);
    isListFailing = false;
    sink.listed(kind, present);
    position = page.resourceVersion;
    refusal = undefined;
    if (listedBefore) note({ relists: state.relists + 1 });
    listedBefore = true;
    log.info({ kind, objects: present.size }, 'listed');
  }

  /** Follows the changes until the server ends the watch in good order. */
  async function follow(sink: ObjectSink, signal: AbortSignal, from: string): Promise<void> {
    const seconds = Math.floor(WATCH_SECONDS * (1 + timing.random()));
    const query = {
      ...selectors,
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    };
    const silenceMs = seconds * 1000 + timing.graceMs;
    const onAnswer = () => note({ phase: 'watching', lastContact: new Date() });
    const begun = performance.now();
    let events = 0;
    for await (const line of splitLines(
      client.stream({ path, query, signal, silenceMs, onAnswer }),
    )) {
      if (signal.aborted) return;
      const event = parseWatchEvent(line);
      const object = event.object;
      if (event.type === 'DELETED') {
        const identity = parseKey(object, scope);
        if ('key' in identity) sink.remove(kind, identity.key);
      } else if (event.type !== 'BOOKMARK') {
        deliver(sink, object);
      }
      position = event.resourceVersion ?? position;
      events += 1;
      if (events === 1) backoff.reset();
      note({ lastContact: new Date() });
    }
    if (events > 0) return;
    if (performance.now() - begun < timing.shortWatchMs) {
      throw new ApiError('connection', `watch of ${path}: ended at once, without an event`);
    }
    backoff.reset();
  }

  /** @returns how long to leave the server alone. */
  function failed({ message, retryAfterMs = 0 }: ApiError): number {
    const retryMs = Math.round(Math.max(backoff.next(), retryAfterMs));
    log.warn({ kind, error: message, retryMs }, 'watch failed');
    note({
      phase: 'waiting',
      failures: state.failures + 1,
      lastError: message,
      lastErrorAt: new Date(),
    });
    return retryMs;
  }

  /** Nobody waits for this kind; what had been listed of it stays in force. @returns as {@link failed}. */
  function refused(sink: ObjectSink, { message }: ApiError): number {
    const retryMs = Math.round(UNAVAILABLE_RETRY_MS * (1 + timing.random()));
    if (message !== refusal) log.info({ kind, error: message, retryMs }, 'not available');
    if (!listedBefore && refusal === undefined) sink.listed(kind, new Set());
    refusal = message;
    note({ phase: 'unavailable', lastError: message, lastErrorAt: new Date() });
    return retryMs;
  }

  return {
    get state() {
      return state;
    },
    async run(sink, signal) {
      while (!signal.aborted) {
        try {
          if (position === undefined) await list(sink, signal);
          if (position !== undefined) await follow(sink, signal, position);
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof ApiError)) throw error;
          const isRefused = resource.isOptional && isRefusal(error);
          if (isRefused || mustListAgain(error)) position = undefined;
          const retryMs = isRefused ? refused(sink, error) : failed(error);
          await timing.pause(retryMs, signal);
        }
      }
    },
  };
}

/** The server no longer knows the position, or what came from it cannot be relied on. */
function mustListAgain({ kind, status }: ApiError): boolean {
  return status === 410 || kind === 'answer';
}

/** The server does not know the kind, or does not show it to this user: which of the two depends on its version. */
function isRefusal({ status }: ApiError): boolean {
  return status === 403 || status === 404;
}
