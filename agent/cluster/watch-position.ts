// SPDX-License-Identifier: Apache-2.0
// Where a watch goes on, and what is too old to be news: however often a server repeats itself or falls behind,
// nothing goes back in time. Used by the reflector, one for each kind.

import { ApiError } from './api-error.ts';
import { isOlder } from './resource-version.ts';

/** So many lists in a row that are older than what is known: the cluster has been restored from a backup. */
export const OLDER_LISTS_BELIEVED = 8;

export class WatchPosition {
  #resumeAt: string | undefined;
  /** Of the last list, or of an object since. A bookmark is the word of a server; of objects there may be more to come. */
  #newest: string | undefined;
  #olderLists = 0;

  /** undefined: only a list can tell. */
  get resumeAt(): string | undefined {
    return this.#resumeAt;
  }

  /** The server no longer knows it, or what came from there cannot be relied on. */
  forget(): void {
    this.#resumeAt = undefined;
  }

  /**
   * Asked of the first page of a list, before anything of it is taken. Lists are asked for without a resourceVersion: the
   * server answers with what is in its store now, never with what a cache of it still has.
   *
   * @throws ApiError of kind `answer` when it is older than what is known.
   */
  checkList(version: string): void {
    const newest = this.#newest;
    if (newest === undefined || !isOlder(version, newest)) return;
    this.#olderLists += 1;
    if (this.#olderLists >= OLDER_LISTS_BELIEVED) return;
    const older = `is of resourceVersion ${version}, ${newest} is known already`;
    throw new ApiError('answer', `the list ${older}: an old one, it is not taken`);
  }

  /** A list is complete. @param version of its first page: what changed since then is still to come. */
  listed(version: string): void {
    this.#resumeAt = version;
    this.#newest = version;
    this.#olderLists = 0;
  }

  /** @returns whether it is an event to take: not older than what has been heard. */
  passes(version: string | undefined, isBookmark: boolean): boolean {
    if (version === undefined) return true;
    if (this.#newest !== undefined && isOlder(version, this.#newest)) return false;
    if (!isBookmark) this.#newest = version;
    if (!this.#resumeAt || !isOlder(version, this.#resumeAt)) this.#resumeAt = version;
    return true;
  }
}
