// SPDX-License-Identifier: Apache-2.0
// Numbers and lists in flags as Go's strconv and pflag's slices read them, so that a command line means here what it
// means to kube-proxy. Pure; undefined is what Go refuses.

const INTEGER = /^[+-]?(0[xX](_?[\da-fA-F])+|0[bB](_?[01])+|0[oO]?(_?[0-7])+|0|[1-9](_?\d)*)$/;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const FIELD = /(?:"((?:[^"]|"")*)"|([^",]*))(?:,|$)/y;

/** strconv.ParseInt with base 0: `0x10`, `010` (octal), `1_000`. */
export function parseGoInteger(text: string): number | undefined {
  if (!INTEGER.test(text)) return undefined;
  const digits = text.replace(/^[+-]/, '').replaceAll('_', '');
  const size = Number(digits.replace(/^0(?=\d)/, '0o'));
  return text.startsWith('-') ? 0 - size : size;
}

/** strconv.ParseUint with base 10: digits alone. */
export function parseGoDigits(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** strconv.ParseFloat, without what no JSON can say: `inf`, `nan`. */
export function parseGoFloat(text: string): number | undefined {
  return DECIMAL.test(text) ? Number(text) : undefined;
}

/** A line of CSV, as pflag reads a list: words stay as they are, but for quotes around them; '' is no word. */
export function parseGoList(text: string): string[] | undefined {
  if (text === '') return [];
  const words: string[] = [];
  FIELD.lastIndex = 0;
  while (FIELD.lastIndex < text.length || text.endsWith(',')) {
    const field = FIELD.exec(text);
    if (!field) return undefined;
    words.push(field[1]?.replaceAll('""', '"') ?? field[2] ?? '');
    if (!field[0].endsWith(',')) return FIELD.lastIndex === text.length ? words : undefined;
    if (FIELD.lastIndex === text.length) return [...words, ''];
  }
  return words;
}
