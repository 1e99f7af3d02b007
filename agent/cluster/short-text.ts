// SPDX-License-Identifier: Apache-2.0
// Texts of others, cut short, for messages that are kept.

/**
 * The first `chars` of `text`, as a text of its own: what slice() gives keeps all of what it was taken from, and of a
 * message about one field that would be some hundred kilobytes (V8).
 */
export function beginningOf(text: string, chars: number): string {
  return text.length <= chars ? text : text.slice(0, chars).split('').join('');
}
