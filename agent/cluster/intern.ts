// SPDX-License-Identifier: Apache-2.0
// One copy of texts that thousands of objects repeat: namespaces, node names, port names. Used by the
// parsers; names of objects do not belong here, they are all different.

/** Far above the number of nodes and namespaces of any cluster; bounds what names long gone can hold. */
const MAX_TEXTS = 20_000;

const texts = new Map<string, string>();

/** @returns a text equal to `text`, the same one each time. */
export function intern(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  if (texts.size >= MAX_TEXTS) texts.clear();
  texts.set(text, text);
  return text;
}
