// SPDX-License-Identifier: Apache-2.0
// A complete list, page by page, within bounds: a server that always names one more page would otherwise be asked for
// ever, and told of by nobody. Used by the reflector.

import type { ApiClient, ApiRequest } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { type ListPage, parseListPage } from './watch-protocol.ts';

/**
 * A page is in memory as a whole, and a garbage collection meanwhile keeps its text for long: pages of 250 cost 20 to 40 MB more
 * at the peak of a start with 10,000 Services and save nothing; other clients ask for 500.
 */
const PAGE_SIZE = 100;
/** So many pages in a row of which none has a name that was not there yet. */
export const MAX_BARREN_PAGES = 100;
/** Names: far more than the tables hold, which is where a cluster meets its limit. */
const MAX_OBJECTS = 1_000_000;

/**
 * Without a resourceVersion: the server answers with what is in its store now, never with what a cache of it still has.
 *
 * @param count names in all pages that have been given so far; asked before the next one.
 * @throws ApiError; of kind `answer` when there is no end.
 */
export async function* listPages(
  client: ApiClient,
  { path, query, signal }: ApiRequest,
  count: () => number,
): AsyncGenerator<ListPage> {
  let continueAt: string | undefined;
  let barren = 0;
  let before = 0;
  do {
    const paged: Record<string, string> = { ...query, limit: String(PAGE_SIZE) };
    if (continueAt) paged.continue = continueAt;
    const page = parseListPage(await client.get({ path, query: paged, signal }));
    yield page;
    barren = count() > before ? 0 : barren + 1;
    before = count();
    continueAt = page.continueAt;
    if (!continueAt) return;
    if (barren >= MAX_BARREN_PAGES) throw endless(`${barren} pages in a row have nothing new`);
    if (before > MAX_OBJECTS) throw endless(`more than ${MAX_OBJECTS} objects`);
  } while (!signal.aborted);
}

function endless(why: string): ApiError {
  return new ApiError('answer', `the list has no end: ${why}`);
}
