// SPDX-License-Identifier: Apache-2.0
// One copy of what thousands of objects repeat: texts such as namespaces, node names and port names, and
// lists of texts such as hints. Used by the parsers; names of objects do not belong here, they are all different.

/** Far above the number of nodes and namespaces of any cluster; bounds what names long gone can hold. */
const MAX_KEPT = 20_000;

const texts = new Map<string, string>();
const lists = new Map<string, readonly string[]>();

/** @returns a text equal to `text`, the same one each time. */
export function intern(text: string): string {
  return kept(texts, text, () => text);
}

/** @returns a list equal to `list`, the same one each time, frozen because many share it. */
export function internList<T extends string>(list: readonly T[]): readonly T[] {
  return kept(lists, JSON.stringify(list), () => Object.freeze([...list])) as readonly T[];
}

function kept<T>(known: Map<string, T>, key: string, make: () => T): T {
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= MAX_KEPT) known.clear();
  const made = make();
  known.set(key, made);
  return made;
}
