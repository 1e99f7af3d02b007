// SPDX-License-Identifier: Apache-2.0
// A table in the kernel with typed keys and values: RawMap moves the bytes, codecs give them meaning.

import type { Codec, MapSpec } from './codec.ts';
import type { KernelError } from './libbpf/kernel-error.ts';
import type { BatchStop, RawMap } from './libbpf/map.ts';

/** An entry that the kernel refused, by its place in what was passed in. */
export interface RefusedEntry {
  readonly index: number;
  readonly error: KernelError;
}

export class KernelMap<K, V> {
  readonly raw: RawMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;

  /** Takes over `raw`, whose key and value sizes must be the specification's. */
  constructor(raw: RawMap, spec: Pick<MapSpec<K, V>, 'key' | 'value'>) {
    if (raw.keySize !== spec.key.size || raw.valueSize !== spec.value.size) {
      throw new RangeError(
        `map ${raw.name} has keys of ${raw.keySize} and values of ${raw.valueSize} bytes; ` +
          `${spec.key.size} and ${spec.value.size} are expected`,
      );
    }
    this.raw = raw;
    this.#key = spec.key;
    this.#value = spec.value;
  }

  get(key: K): V | undefined {
    const value = new Uint8Array(this.#value.size);
    const found = this.raw.lookup(encode(this.#key, [key]), value);
    return found ? this.#value.read(new DataView(value.buffer), 0) : undefined;
  }

  /** All entries; while another writes, an entry may be missed or come twice. */
  entries(): [K, V][] {
    const entries: [K, V][] = [];
    this.raw.forEach((keys, keyAt, values, valueAt) => {
      entries.push([this.#key.read(keys, keyAt), this.#value.read(values, valueAt)]);
    });
    return entries;
  }

  /** {@link entries} in batches, under the terms of {@link RawMap.batches}. */
  *batches(size: number): Generator<[K, V][], void> {
    for (const { keys, values, count } of this.raw.batches(size)) {
      const [keyView, valueView] = [new DataView(keys.buffer), new DataView(values.buffer)];
      yield Array.from({ length: count }, (_, i): [K, V] => [
        this.#key.read(keyView, i * this.#key.size),
        this.#value.read(valueView, i * this.#value.size),
      ]);
    }
  }

  /** Writes all entries, each atomically, going on behind one that is refused. */
  put(entries: readonly (readonly [K, V])[]): RefusedEntry[] {
    const keys = new Uint8Array(entries.length * this.#key.size);
    const values = new Uint8Array(entries.length * this.#value.size);
    const [keyView, valueView] = [new DataView(keys.buffer), new DataView(values.buffer)];
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as readonly [K, V];
      this.#key.write(keyView, i * this.#key.size, entry[0]);
      this.#value.write(valueView, i * this.#value.size, entry[1]);
    }
    return goingOn(entries.length, (from) =>
      this.raw.updateBatch(
        keys.subarray(from * this.#key.size),
        values.subarray(from * this.#value.size),
        entries.length - from,
      ),
    );
  }

  /** Deletes all keys; deleting what is not there succeeds. */
  delete(keys: readonly K[]): RefusedEntry[] {
    const bytes = encode(this.#key, keys);
    const refused = goingOn(keys.length, (from) =>
      this.raw.deleteBatch(bytes.subarray(from * this.#key.size), keys.length - from),
    );
    return refused.filter(({ error }) => error.code !== 'ENOENT');
  }

  close(): void {
    this.raw.close();
  }
}

/**
 * Runs a batch that stops at the first refusal again from behind that entry, until none is left. Where the call was
 * refused, every entry from there on was.
 */
export function goingOn(
  count: number,
  batchFrom: (from: number) => BatchStop | undefined,
): RefusedEntry[] {
  const refused: RefusedEntry[] = [];
  for (let from = 0; from < count; ) {
    const stop = batchFrom(from);
    if (!stop) break;
    const first = from + stop.index;
    from = stop.isWhole ? count : first + 1;
    for (let index = first; index < from; index++) refused.push({ index, error: stop.error });
  }
  return refused;
}

function encode<T>(codec: Codec<T>, values: readonly T[]): Uint8Array {
  const bytes = new Uint8Array(values.length * codec.size);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) codec.write(view, i * codec.size, value);
  return bytes;
}
