// SPDX-License-Identifier: Apache-2.0
// Inputs that nobody meant well: realistic ones, damaged. What has nothing of the real thing is refused at the first
// byte and shows little; so a good input is taken, and then flipped, cut, doubled, joined to another, nested, and given
// huge numbers and the words of its field in the wrong places. Used by the tests beside it.
//
// A mutation is a list of small steps, so that fast-check finds the fewest of them that still fail.

import fc from 'fast-check';

/** The longest that steps make of an input. What is larger is tried by hand: FUZZ_LENGTH=1048576. */
const MAX_LENGTH = Number(process.env.FUZZ_LENGTH ?? 1 << 14);

/** Where, as a share of the length: steps mean the same while what they work on gets shorter. */
const anywhere = fc.double({ min: 0, max: 1, noNaN: true });
const place = anywhere;
/** Mostly short; now and then nearly all. */
const extent = fc.oneof(fc.nat(8), fc.nat(200), fc.nat(MAX_LENGTH));

/** What is awkward in any text. */
const AWKWARD = [
  '',
  ' ',
  '\0',
  '\n',
  '\r\n',
  '\t',
  '\u{feff}',
  '\u{2028}',
  '\u{202e}',
  '\ud800',
  '\x1b[2J',
  '"',
  "'",
  '\\',
  '-',
  '--',
  '0',
  '-1',
  '1e999',
  '0x7fffffff',
  '65536',
  '4294967296',
  '9007199254740993',
  '99999999999999999999999999',
  'NaN',
  'null',
  'true',
  '[]',
  '{}',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
];

type TextStep = (text: string, others: readonly string[]) => string;

/**
 * @param corpus inputs in order.
 * @param words of the field: keys, values, separators, brackets.
 */
export function mutatedText(
  corpus: readonly string[],
  words: readonly string[] = [],
): fc.Arbitrary<string> {
  const word = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...words, ...AWKWARD) },
    fc.string({ unit: 'binary', maxLength: 4 }),
  );
  const nest = fc.constantFrom('[', '{', '(', '- ', '{"a":', '[[', '"', '  ', '<<: ', '&a ', '*a ');
  const step: fc.Arbitrary<TextStep> = fc.oneof(
    fc.tuple(place, word).map(
      ([at, put]): TextStep =>
        (text) =>
          splice(text, at, 0, put),
    ),
    fc.tuple(place, extent, word).map(
      ([at, out, put]): TextStep =>
        (text) =>
          splice(text, at, out, put),
    ),
    fc.tuple(place, word).map(
      ([at, put]): TextStep =>
        (text) =>
          replaceWord(text, at, put),
    ),
    fc.tuple(place, fc.nat(7)).map(
      ([at, bit]): TextStep =>
        (text) =>
          flip(text, at, bit),
    ),
    fc.tuple(place, extent).map(
      ([at, out]): TextStep =>
        (text) =>
          splice(text, at, out, ''),
    ),
    place.map(
      (at): TextStep =>
        (text) =>
          text.slice(0, Math.floor(at * text.length)),
    ),
    fc.tuple(place, extent, fc.oneof(fc.nat(3), fc.nat(300))).map(
      ([at, length, times]): TextStep =>
        (text) =>
          double(text, at, length, times),
    ),
    fc.tuple(place, place, fc.nat()).map(
      ([at, from, which]): TextStep =>
        (text, others) => {
          const other = others[which % others.length] ?? '';
          return text.slice(0, at * text.length) + other.slice(from * other.length);
        },
    ),
    fc.tuple(place, nest, fc.oneof(fc.nat(8), fc.nat(8), fc.nat(MAX_LENGTH / 4))).map(
      ([at, open, times]): TextStep =>
        (text) =>
          splice(text, at, 0, open.repeat(times)),
    ),
    fc.tuple(place, fc.integer({ min: 1, max: 40 })).map(
      ([at, digits]): TextStep =>
        (text) => {
          const number = '9'.repeat(digits);
          return replaceNear(text, at, /\d+/, number);
        },
    ),
    fc.tuple(place, place).map(
      ([one, other]): TextStep =>
        (text) =>
          swapLines(text, one, other),
    ),
  );
  return fc
    .tuple(fc.constantFrom(...corpus), fc.array(step, { maxLength: 6 }))
    .map(([base, steps]) => {
      let text = base;
      for (const change of steps) text = change(text, corpus).slice(0, MAX_LENGTH);
      return text;
    });
}

type BytesStep = (bytes: Uint8Array, others: readonly Uint8Array[]) => Uint8Array;

/** Numbers that lengths, types and counts are wrong with. */
const NUMBERS = [
  0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 20, 0x7f, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
  0xffffffff,
];

/**
 * The same for bytes; fields of 1, 2, 4 and 8 bytes get numbers that make no sense. Often at the beginning or at the end,
 * where formats have their headers.
 */
export function mutatedBytes(
  corpus: readonly Uint8Array[],
  maxLength = MAX_LENGTH,
): fc.Arbitrary<Uint8Array> {
  const place = fc.oneof(
    anywhere,
    anywhere.map((share) => share ** 8),
    anywhere.map((share) => 1 - share ** 8),
  );
  const step: fc.Arbitrary<BytesStep> = fc.oneof(
    fc.tuple(place, fc.nat(7)).map(
      ([at, bit]): BytesStep =>
        (bytes) => {
          const i = Math.min(bytes.length - 1, Math.floor(at * bytes.length));
          return i < 0 ? bytes : patch(bytes, i, Uint8Array.of((bytes[i] ?? 0) ^ (1 << bit)));
        },
    ),
    {
      weight: 3,
      arbitrary: fc
        .tuple(place, fc.constantFrom(1, 2, 4, 8), fc.constantFrom(...NUMBERS), fc.boolean())
        .map(
          ([at, size, number, isAligned]): BytesStep =>
            (bytes) => {
              const i = Math.floor(at * bytes.length);
              return patch(bytes, isAligned ? i - (i % size) : i, numberBytes(number, size));
            },
        ),
    },
    place.map(
      (at): BytesStep =>
        (bytes) =>
          bytes.slice(0, Math.floor(at * bytes.length)),
    ),
    fc.tuple(place, extent).map(
      ([at, out]): BytesStep =>
        (bytes) => {
          const i = Math.floor(at * bytes.length);
          return Buffer.concat([bytes.subarray(0, i), bytes.subarray(i + out)]);
        },
    ),
    fc.tuple(place, extent, fc.nat(40)).map(
      ([at, length, times]): BytesStep =>
        (bytes) => {
          const i = Math.floor(at * bytes.length);
          const part = bytes.subarray(i, i + length);
          const copies = Math.min(times, Math.floor(maxLength / (part.length + 1)));
          return Buffer.concat([
            bytes.subarray(0, i),
            ...Array(copies + 1).fill(part),
            bytes.subarray(i + length),
          ]);
        },
    ),
    fc.tuple(place, place, fc.nat()).map(
      ([at, from, which]): BytesStep =>
        (bytes, others) => {
          const other = others[which % others.length] ?? new Uint8Array();
          return Buffer.concat([
            bytes.subarray(0, Math.floor(at * bytes.length)),
            other.subarray(Math.floor(from * other.length)),
          ]);
        },
    ),
    fc.tuple(place, fc.uint8Array({ maxLength: 12 })).map(
      ([at, put]): BytesStep =>
        (bytes) => {
          const i = Math.floor(at * bytes.length);
          return Buffer.concat([bytes.subarray(0, i), put, bytes.subarray(i)]);
        },
    ),
  );
  const damaged = fc
    .tuple(fc.constantFrom(...corpus), fc.array(step, { maxLength: 6 }))
    .map(([base, steps]) => {
      let bytes = base;
      for (const change of steps) bytes = change(bytes, corpus).subarray(0, maxLength);
      return Uint8Array.from(bytes);
    });
  return fc.oneof({ weight: 9, arbitrary: damaged }, fc.uint8Array({ maxLength: 200 }));
}

/** What is awkward in any JSON. */
const AWKWARD_VALUES: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  0.5,
  65_536,
  2 ** 53,
  1e308,
  '',
  ' ',
  '\0',
  '__proto__',
  'constructor',
  '\x1b[31m',
  'a'.repeat(300),
  [],
  [null],
  [[]],
  {},
  { constructor: { prototype: { polluted: true } } },
  JSON.parse('{"__proto__":{"polluted":true}}'),
];

type Path = readonly (string | number)[];

/** Good JSON with some of its places replaced, taken from elsewhere in it, left out, repeated, or renamed. */
export function mutatedJson(
  corpus: readonly unknown[],
  words: readonly unknown[] = [],
): fc.Arbitrary<unknown> {
  const sources = corpus.map((value) => ({ value, paths: pathsIn(value) }));
  return fc
    .constantFrom(...sources)
    .chain(({ value, paths }) => {
      const where = fc.constantFrom(...paths);
      const put = fc.oneof(
        fc.constantFrom(...AWKWARD_VALUES),
        fc.constantFrom(...(words.length > 0 ? words : AWKWARD_VALUES)),
        where.map((path) => at(value, path)),
        fc.jsonValue(),
      );
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.tuple(where, put).map(([path, other]) => ({ path, other })) },
        fc.tuple(where, fc.nat(2_000)).map(([path, times]) => ({ path, times })),
        fc
          .tuple(where, fc.constantFrom('__proto__', 'constructor', 'toString', ''))
          .map(([path, key]) => ({ path, key })),
      );
      return fc.tuple(fc.constant(value), fc.array(step, { maxLength: 5 }));
    })
    .map(([value, steps]) => steps.reduce<unknown>(changed, value));
}

interface JsonStep {
  readonly path: Path;
  readonly other?: unknown;
  readonly times?: number;
  readonly key?: string;
}

function changed(whole: unknown, { path, other, times, key }: JsonStep): unknown {
  const before = at(whole, path);
  if (times !== undefined) {
    if (!Array.isArray(before) || before.length === 0) return whole;
    const copies = Math.ceil(times / before.length);
    return replaced(whole, path, Array(copies).fill(before).flat());
  }
  if (key !== undefined) {
    if (typeof before !== 'object' || before === null) return whole;
    // JSON.parse makes a key of `__proto__` that is a key and nothing else.
    const named = JSON.parse(`{${JSON.stringify(key)}:0}`);
    Object.defineProperty(named, key, { value: before, enumerable: true, configurable: true });
    return replaced(whole, path, { ...before, ...named });
  }
  return replaced(whole, path, other);
}

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner, [...path, key]))];
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}

/** A copy; a path that is not there any more changes nothing. */
function replaced(whole: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (typeof whole !== 'object' || whole === null) return whole;
  const copy: unknown = Array.isArray(whole) ? [...whole] : { ...whole };
  const inner = at(whole, [key]);
  Object.defineProperty(copy, key, {
    value: replaced(inner, rest, value),
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return copy;
}

function splice(text: string, at: number, out: number, put: string): string {
  const i = Math.floor(at * text.length);
  return text.slice(0, i) + put + text.slice(i + out);
}

function double(text: string, at: number, length: number, times: number): string {
  const i = Math.floor(at * text.length);
  const part = text.slice(i, i + length);
  const copies = Math.min(times, Math.floor(MAX_LENGTH / (part.length + 1)));
  return text.slice(0, i) + part.repeat(copies + 1) + text.slice(i + length);
}

function flip(text: string, at: number, bit: number): string {
  const i = Math.min(text.length - 1, Math.floor(at * text.length));
  if (i < 0) return text;
  const char = String.fromCharCode(text.charCodeAt(i) ^ (1 << bit));
  return text.slice(0, i) + char + text.slice(i + 1);
}

function replaceWord(text: string, at: number, put: string): string {
  return replaceNear(text, at, /[\w.:/-]+/, put);
}

/** The first match behind a place. */
function replaceNear(text: string, at: number, what: RegExp, put: string): string {
  const i = Math.floor(at * text.length);
  return text.slice(0, i) + text.slice(i).replace(what, () => put);
}

function swapLines(text: string, one: number, other: number): string {
  const lines = text.split('\n');
  const [i, j] = [one, other].map((share) =>
    Math.min(lines.length - 1, Math.floor(share * lines.length)),
  );
  if (i === undefined || j === undefined) return text;
  [lines[i], lines[j]] = [lines[j] ?? '', lines[i] ?? ''];
  return lines.join('\n');
}

function patch(bytes: Uint8Array, at: number, put: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(put.subarray(0, Math.max(0, copy.length - at)), Math.min(at, copy.length));
  return copy;
}

function numberBytes(number: number, size: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(number));
  return bytes.subarray(0, size);
}
