// SPDX-License-Identifier: Apache-2.0
// The requests by which an occurrence becomes an Event (events.k8s.io/v1), and its repetitions are counted there. Used by
// event-recorder.ts. Needs no more than the role system:node-proxier allows: list Services, create and patch Events.

import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import {
  eventName,
  eventNamespace,
  eventsPath,
  newEvent,
  type Occurrence,
  type ServiceIdentity,
  seriesPatch,
} from './event.ts';
import { isObject } from './json-fields.ts';
import { parseListPage } from './watch-protocol.ts';

export interface EventRequestsOptions {
  readonly client: Pick<ApiClient, 'get' | 'write'>;
  readonly nodeName: string;
  /** Ends requests that are under way. */
  readonly signal: AbortSignal;
}

export class EventRequests {
  readonly #client: EventRequestsOptions['client'];
  readonly #nodeName: string;
  readonly #signal: AbortSignal;

  constructor({ client, nodeName, signal }: EventRequestsOptions) {
    this.#client = client;
    this.#nodeName = nodeName;
    this.#signal = signal;
  }

  /**
   * Makes the Event.
   *
   * @param at when it happened.
   * @returns false when it has not been made by this: it is there already, or there is no such Service any more.
   * @throws ApiError
   */
  async create(occurrence: Occurrence, at: Date): Promise<boolean> {
    const uid = 'service' in occurrence ? await this.#uidOf(occurrence.service) : this.#nodeName;
    if (uid === undefined) return false;
    return await unlessStatus(409, () =>
      this.#client.write({
        method: 'POST',
        path: eventsPath(eventNamespace(occurrence)),
        query: {},
        body: newEvent(occurrence, { uid, nodeName: this.#nodeName, at }),
        signal: this.#signal,
      }),
    );
  }

  /**
   * Says in the Event how often it has happened.
   *
   * @param count the first time included: from 2.
   * @param at the last time.
   * @returns false when the Event is no more.
   * @throws ApiError
   */
  async repeat(occurrence: Occurrence, count: number, at: Date): Promise<boolean> {
    return await unlessStatus(404, () =>
      this.#client.write({
        method: 'PATCH',
        path: `${eventsPath(eventNamespace(occurrence))}/${eventName(occurrence, this.#nodeName)}`,
        query: {},
        body: seriesPatch(count, at),
        signal: this.#signal,
      }),
    );
  }

  /** Asked for when it is needed, because the agent keeps no uids; by a list, because its role may not get one Service. */
  async #uidOf({ namespace, name }: ServiceIdentity): Promise<string | undefined> {
    const path = `/api/v1/namespaces/${namespace}/services`;
    const query = { fieldSelector: `metadata.name=${name}` };
    const [service] = parseListPage(
      await this.#client.get({ path, query, signal: this.#signal }),
    ).items;
    if (service === undefined) return undefined;
    const metadata = isObject(service) && isObject(service.metadata) ? service.metadata : {};
    if (typeof metadata.uid === 'string') return metadata.uid;
    throw new ApiError('answer', `GET ${path}: Service ${name} has no uid`);
  }
}

/** @returns whether `request` went well; false when the server answered with `status`. */
async function unlessStatus(status: number, request: () => Promise<void>): Promise<boolean> {
  try {
    await request();
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === status) return false;
    throw error;
  }
}
