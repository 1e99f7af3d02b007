// SPDX-License-Identifier: Apache-2.0
// Objects with places in them, where a value of the chart's values.yaml goes. One description makes both: filled with
// values it is an object for kustomize and for tests, and written by template-text.ts it is a template for Helm.

/** A value of any type, by its path in values.yaml; `Release.Namespace` is Helm's own. */
export class Place {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }
}

/** Items of a list in values.yaml, among other items. */
export class Items {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }
}

/** Text in which places are replaced by text. */
export class Text {
  readonly parts: readonly (string | Place)[];

  constructor(parts: readonly (string | Place)[]) {
    this.parts = parts;
  }
}

/** A value, and why it is what it is, for who reads the manifest. */
export class Noted {
  readonly note: string;
  readonly value: unknown;

  constructor(note: string, value: unknown) {
    this.note = note;
    this.value = value;
  }
}

export type Values = Readonly<Record<string, unknown>>;

export const NAMESPACE = new Place('Release.Namespace');

export const place = (path: string) => new Place(path);
export const items = (path: string) => new Items(path);
export const noted = (note: string, value: unknown) => new Noted(note, value);

/** A tagged template: text`server: ${place('apiServer')}`. */
export function text(strings: readonly string[], ...places: readonly Place[]): Text {
  return new Text(strings.flatMap((string, at) => [string, ...places.slice(at, at + 1)]));
}

/** @returns `value` with values in all places, and with its notes. @throws Error when a place is in no value. */
export function fill(value: unknown, values: Values): unknown {
  if (value instanceof Place) return valueAt(value.path, values);
  if (value instanceof Noted) return new Noted(value.note, fill(value.value, values));
  if (value instanceof Text) {
    return value.parts.map((part) => (part instanceof Place ? fill(part, values) : part)).join('');
  }
  if (Array.isArray(value)) {
    return value.flatMap((item) =>
      item instanceof Items ? (valueAt(item.path, values) as unknown[]) : [fill(item, values)],
    );
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).flatMap(([key, item]) => {
      const filled = fill(item, values);
      return item instanceof Place && isEmptyList(filled) ? [] : [[key, filled] as const];
    });
    return Object.fromEntries(entries);
  }
  return value;
}

/** The API server keeps none, and `kubectl apply` would take it for a change each time. */
function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** @throws Error when there is none. */
export function valueAt(path: string, values: Values): unknown {
  const found = path
    .split('.')
    .reduce<unknown>((inner, key) => (inner as Values | undefined)?.[key], values);
  if (found === undefined) throw new Error(`values.yaml has no ${path}`);
  return found;
}
