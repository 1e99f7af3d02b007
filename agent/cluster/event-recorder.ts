// SPDX-License-Identifier: Apache-2.0
// Tells the users of a Service, by Events, what the agent cannot do for it, and who looks after the node how it is with
// it. Built beside the API server's source; a folder of manifests has nobody to tell. Invariant: whoever warns neither
// waits nor fails, whatever the API server does; what cannot be told soon, or would be too much, is dropped and counted.
//
// All agents of a cluster find most things at the same moment. They send the same Event by the same name: one is
// first, and the others hear that it is there.

import { messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';
import { ApiError } from './api-error.ts';
import {
  eventName,
  eventNamespace,
  type NodeReason,
  type Occurrence,
  type ServiceIdentity,
  type ServiceReason,
} from './event.ts';
import { EventRequests, type EventRequestsOptions } from './event-requests.ts';
import { pause } from './pause.ts';
import { TokenBucket } from './token-bucket.ts';

/** When `signal` aborts, what has not been sent by then never is. */
export interface EventRecorderOptions extends EventRequestsOptions {
  readonly log: Logger;
  readonly timing?: EventTiming;
}

/** Chance and time, which tests decide themselves. */
export interface EventTiming {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

/** One Event and its repetitions. */
interface Series {
  readonly key: string;
  readonly occurrence: Occurrence;
  /** When it happened last. */
  at: Date;
  /** How often it has happened since the Event was made. */
  count: number;
  isQueued: boolean;
  /** By {@link EventTiming.now}; undefined: not yet. */
  toldAt: number | undefined;
  /** This agent made the Event: it alone counts the repetitions. */
  isOurs: boolean;
}

/** A repetition is not told sooner than this after the time before. */
const QUIET_MS = 10 * 60_000;
/** In total, whatever happens in the cluster; each takes two requests. */
const LIMIT = { burst: 25, refillMs: 10_000 };
const MAX_QUEUED = 100;
/** More than the limit lets through within an hour; Events live no longer (kube-apiserver --event-ttl). */
const MAX_REMEMBERED = 500;
/** Agents that learn the same at once do not send at once. */
const SPREAD_MS = 5_000;
/** Before the second attempt and before the third, the last. */
const RETRY_MS = [2_000, 15_000];

const REAL_TIMING: EventTiming = { now: () => performance.now(), random: Math.random, pause };

export class EventRecorder {
  readonly #requests: EventRequests;
  readonly #nodeName: string;
  readonly #startedAt = new Date().toISOString();
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #timing: EventTiming;
  readonly #bucket = new TokenBucket(LIMIT);
  /** By namespace and name of the Event; those told last stand last. */
  readonly #known = new Map<string, Series>();
  readonly #queue: Series[] = [];
  readonly #causes = new Set<string>();
  #isSending = false;
  #dropped = 0;

  constructor({ log, timing = REAL_TIMING, ...options }: EventRecorderOptions) {
    this.#requests = new EventRequests(options);
    this.#nodeName = options.nodeName;
    this.#signal = options.signal;
    this.#log = log;
    this.#timing = timing;
  }

  /** What nobody was told of. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * A Warning Event on `service`. Returns at once and never throws. The same warning within ten minutes is only
   * counted; the next one after that tells the count.
   *
   * @param note for people: what is wrong and how to mend it. What is beyond 1024 bytes is cut off.
   */
  warn(service: ServiceIdentity, reason: ServiceReason, note: string): void {
    const { namespace, name, creationTimestamp } = service;
    // Not the whole Service: the series outlives it.
    const identity = { namespace, name, ...(creationTimestamp && { creationTimestamp }) };
    this.#happened({ service: identity, reason, note });
  }

  /** An Event on the agent's own node; all else as {@link warn}. */
  tellOfNode(reason: NodeReason, note: string): void {
    this.#happened({ startedAt: this.#startedAt, reason, note });
  }

  #happened(occurrence: Occurrence): void {
    if (this.#signal.aborted) return;
    const series = this.#observe(occurrence);
    const now = this.#timing.now();
    if (series.isQueued || now - (series.toldAt ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    if (this.#queue.length >= MAX_QUEUED || !this.#bucket.take(now)) {
      this.#drop(series, 'too many at once');
      return;
    }
    series.isQueued = true;
    this.#queue.push(series);
    if (!this.#isSending) void this.#sendQueued();
  }

  #observe(occurrence: Occurrence): Series {
    const key = `${eventNamespace(occurrence)}/${eventName(occurrence, this.#nodeName)}`;
    const known = this.#known.get(key);
    if (known) {
      known.at = new Date();
      known.count += 1;
      return known;
    }
    const series: Series = {
      key,
      occurrence,
      at: new Date(),
      count: 1,
      isQueued: false,
      toldAt: undefined,
      isOurs: false,
    };
    this.#remember(series);
    return series;
  }

  /** Puts `series` last, so that it is forgotten last. */
  #remember(series: Series): void {
    this.#known.delete(series.key);
    this.#known.set(series.key, series);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
  }

  /** Runs until the queue is empty. Never rejects. */
  async #sendQueued(): Promise<void> {
    this.#isSending = true;
    await this.#timing.pause(this.#timing.random() * SPREAD_MS, this.#signal);
    for (let next = this.#queue[0]; next && !this.#signal.aborted; next = this.#queue[0]) {
      await this.#tell(next);
      next.isQueued = false;
      this.#queue.shift();
    }
    this.#isSending = false;
  }

  async #tell(series: Series): Promise<void> {
    for (const retryMs of [...RETRY_MS, undefined]) {
      try {
        await this.#send(series);
        series.toldAt = this.#timing.now();
        this.#remember(series);
        return;
      } catch (error) {
        if (this.#signal.aborted) return;
        this.#complain(error);
        if (retryMs === undefined || !isPassing(error)) break;
        await this.#timing.pause(this.#waitAfter(error, retryMs), this.#signal);
      }
    }
    this.#drop(series, 'not accepted');
  }

  async #send(series: Series): Promise<void> {
    const { occurrence, at, count } = series;
    if (series.isOurs && (await this.#requests.repeat(occurrence, count, at))) return;
    series.count = 1;
    series.isOurs = false;
    series.isOurs = await this.#requests.create(occurrence, at);
  }

  /** Half of it is left to chance, as other agents try again too. */
  #waitAfter(error: ApiError, retryMs: number): number {
    return Math.max(retryMs * (0.5 + this.#timing.random() / 2), error.retryAfterMs ?? 0);
  }

  /** Each cause once where everybody sees it: what stands in the way of one Event is in the way of all. */
  #complain(error: unknown): void {
    const cause = error instanceof ApiError ? `${error.kind} ${error.status}` : 'other';
    const level = this.#causes.has(cause) ? 'debug' : 'info';
    this.#causes.add(cause);
    const isForbidden = error instanceof ApiError && error.status === 403;
    const hint = 'its role needs the verbs create and patch on events of events.k8s.io';
    this.#log[level](
      { error: messageOf(error), ...(isForbidden && { hint }) },
      'an Event was not recorded',
    );
  }

  /** It is told when it comes again, if it can be then. */
  #drop({ key, occurrence, toldAt }: Series, why: string): void {
    this.#dropped += 1;
    const { reason, note } = occurrence;
    const about =
      'service' in occurrence
        ? { service: `${occurrence.service.namespace}/${occurrence.service.name}` }
        : { node: this.#nodeName };
    this.#log.debug({ ...about, reason, note, why, dropped: this.#dropped }, 'dropped an Event');
    // What was never told must not take the place of what was.
    if (toldAt === undefined) this.#known.delete(key);
  }
}

/** Whether it may be better soon. Of refusals: new credentials (401), less load (429), a server's trouble (5xx). */
function isPassing(error: unknown): error is ApiError {
  if (!(error instanceof ApiError)) return false;
  const { status } = error;
  return status === undefined || status === 401 || status === 429 || status >= 500;
}
