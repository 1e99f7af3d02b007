// SPDX-License-Identifier: Apache-2.0
// Fixed-size binary values: what layout.gen.ts is made of. Codecs write into a caller's zeroed buffer
// and allocate nothing while writing.

/** @typeParam T the value. `write` leaves padding alone: the buffer must be zero there. */
export interface Codec<T> {
  /** Bytes. */
  readonly size: number;
  write(view: DataView, at: number, value: T): void;
  read(view: DataView, at: number): T;
}

/** A table as bpf/maps.bpf.h defines it. */
export interface MapSpec<K, V> {
  readonly name: string;
  /** enum bpf_map_type */
  readonly type: number;
  readonly flags: number;
  readonly maxEntries: number;
  readonly key: Codec<K>;
  readonly value: Codec<V>;
  /** Changes with anything that makes a pinned table unusable to this build. */
  readonly layoutHash: string;
}

/** A number in the host's byte order; BPF runs on little-endian hosts only, as far as this project builds it. */
export const u32: Codec<number> = {
  size: 4,
  write: (view, at, value) => view.setUint32(at, value, true),
  read: (view, at) => view.getUint32(at, true),
};

/** Reads an ASCII name of at most `size` bytes, which a NUL ends if it is shorter. */
export function readName(view: DataView, at: number, size: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + at, size);
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? size : end);
}

/** Writes `size` bytes of `name` at most. The bytes behind must be zero already. */
export function writeName(view: DataView, at: number, size: number, name: string): void {
  const length = Math.min(name.length, size);
  for (let i = 0; i < length; i++) view.setUint8(at + i, name.charCodeAt(i));
}

/** A copy of `size` bytes, which are whatever they are. */
export function readBytes(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size).slice();
}

/** Writes `size` bytes at most. */
export function writeBytes(view: DataView, at: number, size: number, bytes: Uint8Array): void {
  new Uint8Array(view.buffer, view.byteOffset + at, size).set(bytes.subarray(0, size));
}
