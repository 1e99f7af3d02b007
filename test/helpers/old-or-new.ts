// SPDX-License-Identifier: Apache-2.0
// The two assertions of test/fuzz that run after every write.

/** @throws when some row of `now` is neither that of `before` nor that of `after`. */
export function assertOldOrNew(
  now: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): void {
  for (const dialled of new Set([...now.keys(), ...before.keys(), ...after.keys()])) {
    const row = now.get(dialled);
    if (row === before.get(dialled) || row === after.get(dialled)) continue;
    throw new Error(`${row} is neither ${before.get(dialled)} nor ${after.get(dialled)}`);
  }
}

/** @throws with all of `problems`. */
export function assertNone(problems: readonly string[]): void {
  if (problems.length) throw new Error(problems.join('\n'));
}
