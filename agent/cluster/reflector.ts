// SPDX-License-Identifier: Apache-2.0
// Keeps the sink in step with one resource of the API server: a list, then a watch that is resumed
// for as long as the server remembers where it was, else a new list. Used by api-server-source.ts.
// Nothing is ever cleared: what a new list lacks is removed when the list is complete. Nothing goes back in time, and
// whatever the server does, it is asked less and less often.

import { messageOf } from '../errors.ts';
import type { ObjectSink } from '../model/cluster-state.ts';
import type { Logger } from '../telemetry/log.ts';
import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { createBackoff, relistDelay } from './backoff.ts';
import { splitLines } from './json-lines.ts';
import { listPages } from './list-pages.ts';
import { parseKey } from './object-metadata.ts';
import type { WatchState } from './object-source.ts';
import { WatchPosition } from './watch-position.ts';
import { parseWatchEvent, type WatchEvent } from './watch-protocol.ts';
import { WatchSilence } from './watch-silence.ts';
import { REAL_TIMING, type Timing } from './watch-timing.ts';
import type { WatchedResource } from './watched-resources.ts';

export interface ReflectorOptions {
  readonly resource: WatchedResource;
  readonly client: ApiClient;
  readonly log: Logger;
  readonly timing?: Timing;
}

export interface Reflector {
  readonly state: WatchState;
  /** Runs until `signal` aborts, and never rejects for what the server or the network does. */
  run(sink: ObjectSink, signal: AbortSignal): Promise<void>;
}

/** A watch is opened anew every 5 to 10 minutes, as kube-proxy does: no connection lives for ever. */
const WATCH_SECONDS = 300;

/** A kind that the server does not have or show: soon, as one that starts knows no roles yet; in the end every 5 to 10 minutes. */
const UNAVAILABLE = { firstMs: 2_000, longestMs: 600_000 };

/** So many watches in a row that were answered and then never spoke: who knows what they do not tell. */
const DEAF_WATCHES = 2;

export function createReflector(options: ReflectorOptions): Reflector {
  const { resource, client, log, timing = REAL_TIMING } = options;
  const { kind, path, scope, selectors } = resource;
  const backoff = createBackoff(timing.random);
  const absence = createBackoff(timing.random, UNAVAILABLE);
  const position = new WatchPosition();
  let state: WatchState = { kind, phase: 'listing', relists: 0, failures: 0 };
  let listedBefore = false;
  /** Objects in the last list. */
  let size = 0;
  /** The last attempt at a list failed: until one is answered, that is what there is to say. */
  let isListFailing = false;
  /** The server's answer for as long as it does not have or show this kind, which is optional. */
  let refusal: string | undefined;
  /** How long the last watch lasted, from the server's answer: undefined when there was none; and what it told. */
  let watchedMs: number | undefined;
  let events = 0;
  let deafWatches = 0;

  const note = (change: Partial<WatchState>) => {
    state = { ...state, ...change };
  };

  /** One object that cannot be dealt with costs itself. */
  function deliver(sink: ObjectSink, object: unknown): string | undefined {
    const identity = parseKey(object, scope);
    if ('invalid' in identity) {
      log.warn({ kind, reason: identity.invalid }, 'object without a usable name left out');
      return undefined;
    }
    const { key } = identity;
    try {
      resource.parse(object)(sink, key);
    } catch (error) {
      log.error({ kind, object: key, err: error }, 'object left out: a bug of this agent');
    }
    return key;
  }

  async function list(sink: ObjectSink, signal: AbortSignal): Promise<void> {
    watchedMs = undefined;
    if (!isListFailing) note({ phase: 'listing' });
    isListFailing = true;
    const present = new Set<string>();
    const request = { path, query: selectors, signal };
    let version = '';
    for await (const page of listPages(client, request, () => present.size)) {
      if (signal.aborted) return;
      version ||= page.resourceVersion;
      position.checkList(version);
      note({ phase: 'listing', lastContact: new Date() });
      for (const item of page.items) {
        const key = deliver(sink, item);
        if (key) present.add(key);
      }
    }
    if (signal.aborted) return;
    isListFailing = false;
    sink.listed(kind, present);
    position.listed(version);
    absence.reset();
    refusal = undefined;
    deafWatches = 0;
    size = present.size;
    if (listedBefore) note({ relists: state.relists + 1 });
    listedBefore = true;
    log.info({ kind, objects: size }, 'listed');
  }

  /**
   * Follows the changes until the server ends the watch in good order, or its time is over.
   *
   * @returns how long to leave the server alone.
   */
  async function follow(sink: ObjectSink, signal: AbortSignal, from: string): Promise<number> {
    const seconds = Math.floor(WATCH_SECONDS * (1 + timing.random()));
    const query = {
      ...selectors,
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    };
    const lifeMs = seconds * 1000 + timing.graceMs;
    const silence = new WatchSilence(timing.now(), lifeMs, timing.quietMs);
    let answeredMs: number | undefined;
    events = 0;
    const onAnswer = () => {
      answeredMs = timing.now();
      note({ phase: 'watching', lastContact: new Date() });
    };
    const chunks = client.stream({
      path,
      query,
      signal,
      silenceMs: () => silence.limitMs,
      onAnswer,
    });
    const untilMs = timing.now() + lifeMs;
    try {
      for await (const line of splitLines(within(chunks, untilMs))) {
        if (signal.aborted) return 0;
        const event = parseWatchEvent(line);
        events += 1;
        silence.heard(timing.now(), event.type === 'BOOKMARK');
        take(sink, event);
        note({ lastContact: new Date() });
      }
    } finally {
      watchedMs = answeredMs === undefined ? undefined : timing.now() - answeredMs;
      if (events > 0) deafWatches = 0;
    }
    if (timing.now() >= untilMs) countDeaf();
    const lastedMs = watchedMs ?? 0;
    if (lastedMs >= timing.steadyMs) {
      backoff.reset();
      return 0;
    }
    if (events > 0 || lastedMs >= timing.shortWatchMs) return Math.round(backoff.next());
    throw new ApiError('connection', `watch of ${path}: ended at once, without an event`);
  }

  /** The last watch was ended by the agent. Of some that never told anything, one after another, none is believed. */
  function countDeaf(): void {
    if (events > 0) return;
    deafWatches += 1;
    if (deafWatches >= DEAF_WATCHES) position.forget();
  }

  /** A server, or what is in between, that never ends a watch: not for ever. */
  async function* within(chunks: AsyncIterable<Buffer>, untilMs: number): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      yield chunk;
      if (timing.now() >= untilMs) return;
    }
  }

  function take(sink: ObjectSink, { type, object, resourceVersion }: WatchEvent): void {
    if (!position.passes(resourceVersion, type === 'BOOKMARK')) {
      log.debug({ kind, type, resourceVersion }, 'event of the past left out');
    } else if (type === 'DELETED') {
      const identity = parseKey(object, scope);
      if ('key' in identity) sink.remove(kind, identity.key);
    } else if (type !== 'BOOKMARK') {
      deliver(sink, object);
    }
  }

  /** @returns how long to leave the server alone. */
  function failed(error: ApiError): number {
    const { kind: why, message, retryAfterMs = 0 } = error;
    const couldResume = position.resumeAt !== undefined;
    if (why === 'timeout' && watchedMs !== undefined) countDeaf();
    const isLost = mustListAgain(error);
    if (watchedMs !== undefined && watchedMs >= timing.steadyMs && !isLost) backoff.reset();
    if (isLost) position.forget();
    const mustList = couldResume && position.resumeAt === undefined;
    const spreadMs = mustList ? relistDelay(size, timing.random) : 0;
    const retryMs = Math.round(Math.max(backoff.next(), retryAfterMs) + spreadMs);
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
    const retryMs = Math.round(absence.next());
    if (message !== refusal) log.info({ kind, error: message, retryMs }, 'not available');
    if (!listedBefore && refusal === undefined) sink.unavailable(kind);
    refusal = message;
    position.forget();
    note({ phase: 'unavailable', lastError: message, lastErrorAt: new Date() });
    return retryMs;
  }

  /** One list, or one watch. @returns how long to leave the server alone. */
  async function step(sink: ObjectSink, signal: AbortSignal): Promise<number> {
    try {
      const { resumeAt } = position;
      if (resumeAt !== undefined) return await follow(sink, signal, resumeAt);
      await list(sink, signal);
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      const known = error instanceof ApiError ? error : bug(error);
      return resource.isOptional && isRefusal(known) ? refused(sink, known) : failed(known);
    }
  }

  /** Whoever ends for what a server sent ends again with the next answer. */
  function bug(error: unknown): ApiError {
    log.error({ kind, err: error }, 'a bug of this agent');
    return new ApiError('answer', `a bug of this agent: ${messageOf(error)}`);
  }

  return {
    get state() {
      return state;
    },
    async run(sink, signal) {
      while (!signal.aborted) {
        const waitMs = await step(sink, signal);
        if (waitMs > 0 && !signal.aborted) await timing.pause(waitMs, signal);
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
