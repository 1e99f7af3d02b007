// SPDX-License-Identifier: Apache-2.0
// BPF maps as bytes: the operations in use, with sizes taken from the map itself so that no buffer is
// ever read or written past its end.

import { closeSync } from 'node:fs';
import { perCpuSize, possibleCpus } from '../cpus.ts';
import { again, againAndWait, isPassing, TRIES } from './again.ts';
import { libbpf } from './ffi.ts';
import { ENOENT, KernelError } from './kernel-error.ts';

/** Why a batch was not done to its end. */
export interface BatchStop {
  /** The entry that was refused: those before it are done, those behind it were not tried. */
  readonly index: number;
  /** It was no entry that was refused but the call: none from `index` on is done, and none would be. */
  readonly isWhole: boolean;
  readonly error: KernelError;
}

/** Entries read in one go. */
export interface Batch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

/** enum bpf_map_update_elem flags */
const BPF_ANY = 0;

/** enum bpf_map_type: PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH. */
const PER_CPU_TYPES: readonly number[] = [5, 6, 10];

/** Offsets in struct bpf_map_info (linux/bpf.h). */
const INFO = { size: 88, type: 0, id: 4, keySize: 8, valueSize: 12, maxEntries: 16 } as const;
/** Offset of map_flags and size of struct bpf_map_create_opts (libbpf 1.0). */
const CREATE_OPTIONS = { size: 48, mapFlags: 28 } as const;

/** An open map. Owns its file descriptor. */
export class RawMap {
  readonly fd: number;
  readonly name: string;
  readonly id: number;
  readonly keySize: number;
  /** As user space reads and writes it: of a map per CPU, the values of all possible CPUs. */
  readonly valueSize: number;
  readonly maxEntries: number;

  /** @param name for messages. */
  constructor(fd: number, name: string) {
    const info = Buffer.alloc(INFO.size);
    check(libbpf().objectInfo(fd, info, [info.length]), `read the properties of map ${name}`);
    this.fd = fd;
    this.name = name;
    this.id = info.readUInt32LE(INFO.id);
    this.keySize = info.readUInt32LE(INFO.keySize);
    const valueSize = info.readUInt32LE(INFO.valueSize);
    const isPerCpu = PER_CPU_TYPES.includes(info.readUInt32LE(INFO.type));
    this.valueSize = isPerCpu ? perCpuSize(valueSize, possibleCpus()) : valueSize;
    this.maxEntries = info.readUInt32LE(INFO.maxEntries);
  }

  static create(
    name: string,
    spec: { type: number; flags: number; keySize: number; valueSize: number; maxEntries: number },
  ): RawMap {
    const options = Buffer.alloc(CREATE_OPTIONS.size);
    options.writeBigUInt64LE(BigInt(options.length), 0);
    options.writeUInt32LE(spec.flags, CREATE_OPTIONS.mapFlags);
    const { type, keySize, valueSize, maxEntries } = spec;
    const fd = libbpf().mapCreate(type, name, keySize, valueSize, maxEntries, options);
    return RawMap.#own(check(fd, `create map ${name} of ${maxEntries} entries`), name);
  }

  static openPin(path: string): RawMap {
    return RawMap.#own(check(libbpf().objectGet(path), `open pinned map ${path}`), path);
  }

  static openById(id: number, name: string): RawMap {
    return RawMap.#own(check(libbpf().mapFdById(id), `open map ${name} with id ${id}`), name);
  }

  /** Of which the properties cannot be read it keeps nothing open. */
  static #own(fd: number, name: string): RawMap {
    try {
      return new RawMap(fd, name);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  /** Copies the value of `key` into `value`. @returns false when the map has no such key. */
  lookup(key: Uint8Array, value: Uint8Array): boolean {
    this.#checkSizes(key, value, 1);
    const result = again(() => libbpf().mapLookup(this.fd, key, value));
    if (result === -ENOENT) return false;
    check(result, `look up in map ${this.name}`);
    return true;
  }

  update(key: Uint8Array, value: Uint8Array): void {
    this.#checkSizes(key, value, 1);
    const result = again(() => libbpf().mapUpdate(this.fd, key, value, BPF_ANY));
    check(result, `write to map ${this.name}`);
  }

  /**
   * {@link update}, off the main thread. For a map of maps it returns only when every program that
   * may have read what was there before has ended (the kernel waits for an RCU grace period).
   */
  async updateAndWait(key: Uint8Array, value: Uint8Array): Promise<void> {
    this.#checkSizes(key, value, 1);
    const update = () => libbpf().mapUpdateAsync(this.fd, key, value, BPF_ANY);
    check(await againAndWait(update), `write to map ${this.name}`);
  }

  /** Writes `count` entries laid end to end. */
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): BatchStop | undefined {
    this.#checkSizes(keys, values, count);
    const attempted = `write to map ${this.name} (${this.maxEntries} entries at most)`;
    return runBatch(count, attempted, (from, done) =>
      libbpf().mapUpdateBatch(
        this.fd,
        keys.subarray(from * this.keySize),
        values.subarray(from * this.valueSize),
        done,
        null,
      ),
    );
  }

  /** Deletes `count` keys laid end to end. Stops at a key that is not there (ENOENT). */
  deleteBatch(keys: Uint8Array, count: number): BatchStop | undefined {
    this.#checkSizes(keys, undefined, count);
    return runBatch(count, `delete from map ${this.name}`, (from, done) =>
      libbpf().mapDeleteBatch(this.fd, keys.subarray(from * this.keySize), done, null),
    );
  }

  /** Visits every entry. The buffers are reused: copy what is to be kept. */
  forEach(visit: (keys: DataView, keyAt: number, values: DataView, valueAt: number) => void): void {
    for (const { keys, values, count } of this.batches(DUMP_BATCH)) {
      const [keyView, valueView] = [new DataView(keys.buffer), new DataView(values.buffer)];
      for (let i = 0; i < count; i++) {
        visit(keyView, i * this.keySize, valueView, i * this.valueSize);
      }
    }
  }

  /**
   * Every entry, in batches of at most `size`, each read when it is asked for: in between, others may write,
   * and what was read may be deleted. An entry that is written meanwhile may be missed or come twice. The
   * buffers are reused. A hash refuses (ENOSPC) only when one bucket alone holds more than `size`.
   */
  *batches(size: number): Generator<Batch, void> {
    const capacity = Math.min(this.maxEntries, size);
    const keys = new Uint8Array(capacity * this.keySize);
    const values = new Uint8Array(capacity * this.valueSize);
    let cursor: Uint8Array | null = null;
    for (;;) {
      const next = new Uint8Array(Math.max(this.keySize, 4));
      const count: [number] = [capacity];
      const from = cursor;
      const result = again(() => {
        count[0] = capacity;
        return libbpf().mapLookupBatch(this.fd, from, next, keys, values, count, null);
      });
      if (result !== 0 && result !== -ENOENT) check(result, `read map ${this.name}`);
      yield { keys, values, count: count[0] };
      if (result === -ENOENT) return;
      cursor = next;
    }
  }

  /** Of an array: the values of `count` keys from `first` on, laid end to end. All of them must be there. */
  readArray(first: number, count: number): Uint8Array {
    const keys = new Uint8Array(count * this.keySize);
    const values = new Uint8Array(count * this.valueSize);
    const next = new Uint8Array(this.keySize);
    // The kernel goes on behind the key that it is given.
    const before = first === 0 ? null : new Uint8Array(new Uint32Array([first - 1]).buffer);
    const done: [number] = [count];
    const result = again(() => {
      done[0] = count;
      return libbpf().mapLookupBatch(this.fd, before, next, keys, values, done, null);
    });
    const isEnd = result === -ENOENT && done[0] === count;
    if (!isEnd) check(result, `read map ${this.name} from ${first} on`);
    return values;
  }

  #checkSizes(keys: Uint8Array, values: Uint8Array | undefined, count: number): void {
    if (keys.length < count * this.keySize || (values && values.length < count * this.valueSize)) {
      throw new RangeError(`buffers for ${count} entries of map ${this.name} are too small`);
    }
  }
}

/** Entries read at a time, where nobody waits meanwhile. */
const DUMP_BATCH = 4096;

/**
 * Runs a batch, from where it was when the kernel stopped for a reason that passes.
 *
 * @param call makes it from an entry on; `done` holds how many there are from there, then how many the kernel did.
 */
function runBatch(
  count: number,
  attempted: string,
  call: (from: number, done: [number]) => number,
): BatchStop | undefined {
  let from = 0;
  for (let tries = 1; ; tries++) {
    const done: [number] = [count - from];
    const result = call(from, done);
    if (result === 0) return undefined;
    // A call that is refused before its first entry leaves the count as it was (bpf_map_do_batch(); up to 6.7 a batch
    // that finds no memory, too): all of it would seem to be done.
    const isWhole = done[0] >= count - from;
    if (!isWhole) from += done[0];
    if (!isWhole && done[0] > 0) tries = 1;
    if (isPassing(result) && tries < TRIES) continue;
    return { index: from, isWhole, error: new KernelError(attempted, -result) };
  }
}

/** @returns `result` when it is no error. @throws KernelError. */
export function check(result: number, attempted: string): number {
  if (result < 0) throw new KernelError(attempted, -result);
  return result;
}
