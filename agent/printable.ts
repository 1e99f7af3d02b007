// SPDX-License-Identifier: Apache-2.0
// What others name, said so that it can only be read: a terminal acts upon some characters, and names, annotations and
// messages of a cluster may have any. Used by commands/terminal.ts, by tables, and by the log.

/**
 * What does something instead of being seen: control characters, marks of writing direction (U+202E turns a line
 * round), what is invisible, halves of characters, and ends of lines.
 */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const UNPRINTABLE_BUT_NEWLINE = /[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu;
const NOT_PLAIN = /[^ -~]/;

/** A piece of a line: what is not to be printed stands there as `\x1b` or `\u{202e}`. Nothing in it begins a new line. */
export function printable(text: string): string {
  // Most pieces are plain, and tables have hundreds of thousands.
  if (!NOT_PLAIN.test(text)) return text;
  return text.replace(UNPRINTABLE, escaped);
}

/** The same for lines: `\n` stays. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE_BUT_NEWLINE, escaped);
}

/** The same for JSON, which goes on meaning what it means: JSON.stringify() itself escapes only what is below space. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE_BUT_NEWLINE, (char) =>
    char
      .split('')
      .map((half) => `\\u${half.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  const hex = code.toString(16).padStart(2, '0');
  return code <= 0xff ? `\\x${hex}` : `\\u{${hex}}`;
}
