// SPDX-License-Identifier: Apache-2.0
// JSON that a parser may meet: anything at all, and good objects with any one place in them replaced
// by anything. Used by the tests beside it.

import fc from 'fast-check';

type Path = readonly (string | number)[];

/** @param good an object in order, whose every place is replaced in turn. */
export function hostileJson(good: unknown): fc.Arbitrary<unknown> {
  const awkward = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(null, 0, -1, 1.5, 65536, 1e300, true, [], {}, [null], [{}], ['']),
    fc.constantFrom('', ' ', 'None', 'Local', 'ClientIP', '::', '127.0.0.1', '10.0.0.0/33', '/'),
  );
  const replaced = fc
    .tuple(fc.constantFrom(...paths(good)), awkward)
    .map(([path, value]) => replace(good, path, value));
  return fc.oneof(awkward, replaced);
}

function paths(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...at, key]))];
}

function replace(whole: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  const copy = structuredClone(whole) as Record<string | number, unknown>;
  copy[key] = replace(copy[key], rest, value);
  return copy;
}
