// SPDX-License-Identifier: Apache-2.0
// Lists in one text, with commas between the words. Pure.

/** Words without the white space around them; empty ones are none. */
export function wordsOf(text: string): string[] {
  return text.split(',').flatMap((word) => word.trim() || []);
}
