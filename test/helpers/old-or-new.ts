// SPDX-License-Identifier: Apache-2.0
// The assertions of test/fuzz that run after every write. They throw, so that fast-check makes the case small
// and names its seed; a failed assertion of AVA would be reported in its place.

/**
 * Source ranges are left out of it: in between, those of before and of after both let clients in, so that
 * each client meets one verdict or the other.
 *
 * @throws when some row of `now` is neither that of `before` nor that of `after`.
 */
export function assertOldOrNew(
  now: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): void {
  for (const dialled of new Set([...now.keys(), ...before.keys(), ...after.keys()])) {
    const [row, old, next] = [now, before, after].map((rows) => withoutRanges(rows.get(dialled)));
    if (row !== old && row !== next) throw new Error(`${row} is neither ${old} nor ${next}`);
  }
}

/** @throws with all of `problems`. */
export function assertNone(problems: readonly string[]): void {
  if (problems.length) throw new Error(problems.join('\n'));
}

/** A row with what stands in the frontend's own entry: which source ranges there are, another table says. */
export function withoutRanges(row: string | undefined): string | undefined {
  return row?.replace(/; only .*$/, '; only some');
}
