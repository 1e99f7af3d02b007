// SPDX-License-Identifier: Apache-2.0
// The clock that the agent's retries go by (performance.now), for tests that cannot wait for them: it runs
// ahead when a test says so. For the whole process, which a test file has to itself.

/** The longest that a retry waits for its time. */
const LONGEST_RETRY_MS = 60_000;

let aheadMs = 0;
const realNow = performance.now.bind(performance);
performance.now = () => realNow() + aheadMs;

/** Every retry that waits now is due. */
export function makeRetriesDue(): void {
  aheadMs += LONGEST_RETRY_MS;
}
