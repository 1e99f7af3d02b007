// SPDX-License-Identifier: Apache-2.0
// The kinds of value that kube-proxy's options have: how each is read from a flag, as Go's pflag does it, and from the
// configuration file, as Go's JSON decoder does it, and how it is written. Pure. What cannot be read gives a Wrong
// that says what would be right; nothing here throws.

import { parseAddressSloppily } from '../model/address.ts';
import { isServerAddress } from './bind-address.ts';
import { formatGoDuration, parseGoDuration } from './go-duration.ts';
import { parseGoDigits, parseGoFloat, parseGoInteger, parseGoList } from './go-values.ts';

/** A value that is of another kind. */
export class Wrong {
  /** What would be right, as `must be true or false`. */
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** Verbosity of the source files whose names match. */
export interface VModuleItem {
  readonly filePattern: string;
  readonly verbosity: number;
}

interface ValueTypes {
  readonly string: string;
  /** An IP address, where a flag says it; '' says nothing. */
  readonly ip: string;
  /** An IP address, with a port or without, where a flag says it; '' is none. */
  readonly server: string;
  /** A truth, or how the version is to be told: `raw`, or one that begins with v. */
  readonly version: string;
  readonly bool: boolean;
  readonly int32: number;
  /** A verbosity: klog takes no more than an int32, and no less than 0. */
  readonly level: number;
  readonly float32: number;
  readonly duration: bigint;
  /** A duration that older files have as a number of nanoseconds. */
  readonly nanoseconds: bigint;
  readonly strings: readonly string[];
  readonly gates: Readonly<Record<string, boolean>>;
  readonly vmodule: readonly VModuleItem[];
  /** Bytes, as `512`, `64Ki` or `1M`. */
  readonly quantity: string;
}

export type KindName = keyof ValueTypes;
export type ValueOf<K extends KindName> = ValueTypes[K];
export type Value = ValueOf<KindName>;

interface Kind<V> {
  /** Of the value, in a line of help; '' when the flag needs none. */
  readonly placeholder: string;
  /**
   * @param before the value of the flag where it stood before.
   * @returns undefined when the text is as if the flag were not there.
   */
  readonly fromFlag: (text: string, before: V | undefined) => V | Wrong | undefined;
  /** @param json what the file has there, neither null nor undefined. */
  readonly fromJson: (json: unknown) => V | Wrong;
  readonly toJson: (value: V) => unknown;
  /** Go's zero value, which stands for the default in most places of the file. */
  readonly zero: V;
}

const MAX_INT32 = 2 ** 31 - 1;
const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);
const QUANTITY = /^[+-]?\d+(\.\d*)?([eE][+-]?\d+|[numkKMGTPE]|[KMGTPE]i)?$/;

const KINDS: { readonly [K in KindName]: Kind<ValueOf<K>> } = {
  string: text('text'),
  ip: {
    ...text('address'),
    fromFlag: (word, before) =>
      word === ''
        ? before
        : parseAddressSloppily(word) === undefined
          ? new Wrong('must be an IP address')
          : word,
  },
  server: {
    ...text('address'),
    fromFlag: (word) =>
      word === '' || isServerAddress(word)
        ? word
        : new Wrong('must be an IP address, with a port or without, as 0.0.0.0:10256'),
  },
  version: {
    ...text('bool'),
    fromFlag: (word) => {
      if (word === 'raw' || word.startsWith('v')) return word;
      const isAsked = boolOf(word);
      return isAsked instanceof Wrong ? new Wrong('must be true, false or raw') : String(isAsked);
    },
  },
  bool: {
    placeholder: '',
    fromFlag: boolOf,
    fromJson: (json) => (typeof json === 'boolean' ? json : new Wrong('must be true or false')),
    toJson: (value) => value,
    zero: false,
  },
  int32: number(
    'n',
    'must be a whole number of 32 bits',
    parseGoInteger,
    (n) => Number.isInteger(n) && n >= -MAX_INT32 - 1 && n <= MAX_INT32,
  ),
  level: number(
    'n',
    'must be a whole number from 0 on',
    parseGoDigits,
    (n) => Number.isInteger(n) && n >= 0 && n <= MAX_INT32,
  ),
  float32: number('n', 'must be a number of 32 bits', parseGoFloat, (n) =>
    Number.isFinite(Math.fround(n)),
  ),
  duration: {
    placeholder: 'duration',
    fromFlag: durationOf,
    fromJson: durationOf,
    toJson: formatGoDuration,
    zero: 0n,
  },
  nanoseconds: {
    placeholder: 'duration',
    fromFlag: durationOf,
    fromJson: (json) => (Number.isSafeInteger(json) ? BigInt(json as number) : durationOf(json)),
    toJson: formatGoDuration,
    zero: 0n,
  },
  strings: {
    placeholder: 'list',
    fromFlag: (text, before) => {
      const words = parseGoList(text);
      return words ? [...(before ?? []), ...words] : new Wrong('must be words with commas between');
    },
    fromJson: (json) =>
      Array.isArray(json) && json.every((word) => typeof word === 'string')
        ? json
        : new Wrong('must be a list of texts'),
    toJson: (value) => value,
    zero: [],
  },
  gates: {
    placeholder: 'name=bool,...',
    fromFlag: gatesOf,
    fromJson: (json) =>
      isMap(json) && Object.values(json).every((is) => is === null || typeof is === 'boolean')
        ? Object.fromEntries(Object.entries(json).map(([gate, is]) => [gate, is === true]))
        : new Wrong('must be a map of names to true or false'),
    toJson: (value) => value,
    zero: {},
  },
  vmodule: {
    placeholder: 'pattern=n,...',
    fromFlag: vmoduleOf,
    fromJson: (json) =>
      Array.isArray(json) && json.every(isVModuleItem)
        ? json.map(({ filePattern, verbosity = 0 }) => ({ filePattern, verbosity }))
        : new Wrong('must be a list of filePattern and verbosity'),
    toJson: (value) => value,
    zero: [],
  },
  quantity: {
    placeholder: 'bytes',
    fromFlag: quantityOf,
    fromJson: (json) => quantityOf(typeof json === 'number' ? String(json) : json),
    toJson: (value) => value,
    zero: '0',
  },
};

export function kindOf<K extends KindName>(name: K): Kind<ValueOf<K>> {
  return KINDS[name];
}

export function isMap(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function text(placeholder: string): Kind<string> {
  return {
    placeholder,
    fromFlag: (value) => value,
    fromJson: (json) => (typeof json === 'string' ? json : new Wrong('must be a text')),
    toJson: (value) => value,
    zero: '',
  };
}

function number(
  placeholder: string,
  right: string,
  read: (text: string) => number | undefined,
  isRight: (n: number) => boolean,
): Kind<number> {
  const check = (n: unknown) => (typeof n === 'number' && isRight(n) ? n : new Wrong(right));
  return {
    placeholder,
    fromFlag: (value) => check(read(value)),
    fromJson: check,
    toJson: (value) => value,
    zero: 0,
  };
}

function boolOf(word: string): boolean | Wrong {
  return TRUE.has(word) || (FALSE.has(word) ? false : new Wrong('must be true or false'));
}

function durationOf(value: unknown): bigint | Wrong {
  const ns = typeof value === 'string' ? parseGoDuration(value) : undefined;
  return ns ?? new Wrong('must be a duration, as 30s or 1h30m');
}

function gatesOf(words: string, before: ValueOf<'gates'> = {}): ValueOf<'gates'> | Wrong {
  const gates: Record<string, boolean> = { ...before };
  for (const word of words.split(',').filter((part) => part !== '')) {
    const [name = '', ...values] = word.split('=').map((part) => part.trim());
    const isOn = boolOf(values.join('='));
    if (name === '' || isOn instanceof Wrong) return new Wrong('must be name=true or name=false');
    gates[name] = isOn;
  }
  return gates;
}

function vmoduleOf(words: string, before: readonly VModuleItem[] = []): VModuleItem[] | Wrong {
  const items = [...before];
  for (const word of words.split(',').filter((part) => part !== '')) {
    const [, filePattern = '', digits = ''] = word.match(/^([^=]+)=(\d+)$/) ?? [];
    const item = { filePattern, verbosity: Number(digits) };
    if (!isVModuleItem(item) || filePattern === '') return new Wrong('must be pattern=N');
    items.push(item);
  }
  return items;
}

function isVModuleItem(json: unknown): json is VModuleItem {
  return (
    isMap(json) &&
    typeof json.filePattern === 'string' &&
    !(KINDS.level.fromJson(json.verbosity ?? 0) instanceof Wrong)
  );
}

function quantityOf(value: unknown): string | Wrong {
  return typeof value === 'string' && QUANTITY.test(value)
    ? value
    : new Wrong('must be a number of bytes, as 64Ki');
}
