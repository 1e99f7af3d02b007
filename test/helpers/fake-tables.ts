// SPDX-License-Identifier: Apache-2.0
// The kernel's tables in memory, for tests: entries are bytes, written one after another through the real
// codecs, so that a test can look between any two writes and refuse any one of them. It passes the same
// contract suite as the real tables (test/unit/reconcile/tables-contract.test.ts).

import type { KernelTables, SlotTable, Table } from '../../agent/reconcile/kernel-tables.ts';
import type { Codec } from '../../agent/sys/codec.ts';
import type { RefusedEntry } from '../../agent/sys/kernel-map.ts';
import {
  type FrontendKey,
  type FrontendValue,
  type IpPort,
  type IpPrefix,
  MAPS,
  type MemberKey,
  type MemberValue,
  type Node,
  type NodePortAddress,
  type Presence,
  type ServicePortName,
  type SourceRangeKey,
} from '../../agent/sys/layout.gen.ts';
import { KernelError } from '../../agent/sys/libbpf/kernel-error.ts';

/** Errnos that the real tables give. */
export const ENOMEM = 12;
export const E2BIG = 7;

export type TableName =
  | 'frontends'
  | 'members'
  | 'sourceRanges'
  | 'servicePorts'
  | 'slots'
  | 'nodes'
  | 'devices'
  | 'nodePortAddresses'
  | 'serviceCidrs'
  | 'clusterCidrs';

/** One write that is about to happen. */
export interface Attempt {
  readonly table: TableName;
  readonly operation: 'put' | 'delete' | 'grow';
  /** What is written or deleted; the new capacity of a table that grows. */
  readonly key: unknown;
}

/** Of the agent, in the middle of a write: what a test throws in {@link FakeTables.beforeWrite}. */
export class Killed extends Error {}

interface Limits {
  readonly slots?: number;
  readonly frontends?: number;
  readonly members?: number;
  readonly servicePorts?: number;
  readonly sourceRanges?: number;
}

export class FakeTables implements KernelTables {
  /** @returns the errno to refuse this write with. What it throws ends the agent there. */
  beforeWrite: (attempt: Attempt) => number | undefined = () => undefined;
  /** @returns the errno to refuse reading a table with. */
  beforeRead: (table: TableName) => number | undefined = () => undefined;
  /** Looks at the tables after each single write. */
  afterWrite: () => void = () => {};

  readonly frontends: FakeTable<FrontendKey, FrontendValue>;
  readonly members: FakeTable<MemberKey, MemberValue>;
  readonly servicePorts: FakeTable<number, ServicePortName>;
  readonly sourceRanges: FakeTable<SourceRangeKey, Presence>;
  readonly nodes: FakeTable<number, Node>;
  readonly nodePortAddresses: FakeTable<NodePortAddress, Presence>;
  readonly serviceCidrs: FakeTable<IpPrefix, Presence>;
  readonly clusterCidrs: FakeTable<IpPrefix, Presence>;
  readonly slots: FakeSlots;
  readonly serviceCounts: KernelTables['serviceCounts'];

  /** In the order in which they were. */
  readonly clearedCounters: number[] = [];

  constructor(limits: Limits = {}) {
    const hooks: Hooks = {
      before: (attempt) => this.beforeWrite(attempt),
      after: () => this.afterWrite(),
      read: (table) => {
        const errno = this.beforeRead(table);
        if (errno !== undefined) throw new KernelError(`read ${table}`, errno);
      },
    };
    this.frontends = new FakeTable('frontends', MAPS.frontends, hooks, limits.frontends);
    this.members = new FakeTable('members', MAPS.members, hooks, limits.members);
    this.servicePorts = new FakeTable(
      'servicePorts',
      MAPS.servicePorts,
      hooks,
      limits.servicePorts,
    );
    this.sourceRanges = new FakeTable(
      'sourceRanges',
      MAPS.sourceRanges,
      hooks,
      limits.sourceRanges,
    );
    this.nodes = new FakeTable('nodes', MAPS.nodes, hooks);
    this.nodePortAddresses = new FakeTable('nodePortAddresses', MAPS.nodePortAddresses, hooks);
    this.serviceCidrs = new FakeTable('serviceCidrs', MAPS.serviceCidrs, hooks);
    this.clusterCidrs = new FakeTable('clusterCidrs', MAPS.clusterCidrs, hooks);
    this.serviceCounts = {
      capacity: MAPS.serviceCounts.maxEntries,
      clear: (counters) => void this.clearedCounters.push(...counters),
    };
    this.slots = new FakeSlots(limits.slots ?? 4, hooks);
  }
}

interface Hooks {
  readonly before: (attempt: Attempt) => number | undefined;
  readonly after: () => void;
  readonly read: (table: TableName) => void;
}

const NO_HOOKS: Hooks = { before: () => undefined, after: () => {}, read: () => {} };

/** A hash table with a bound: when it is full, only keys that it holds can be written. */
export class FakeTable<K, V> implements Table<K, V> {
  readonly #name: TableName;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;
  readonly #hooks: Hooks;
  readonly #limit: number;
  readonly #entries = new Map<string, string>();
  /** How often a key has come or gone. */
  #keySets = 0;

  constructor(
    name: TableName,
    codecs: { readonly key: Codec<K>; readonly value: Codec<V> },
    hooks = NO_HOOKS,
    limit = Infinity,
  ) {
    this.#name = name;
    this.#key = codecs.key;
    this.#value = codecs.value;
    this.#hooks = hooks;
    this.#limit = limit;
  }

  get(key: K): V | undefined {
    this.#hooks.read(this.#name);
    const bytes = this.#entries.get(encode(this.#key, key));
    return bytes === undefined ? undefined : decode(this.#value, bytes);
  }

  entries(): [K, V][] {
    this.#hooks.read(this.#name);
    return [...this.#entries].map(([key, value]) => [
      decode(this.#key, key),
      decode(this.#value, value),
    ]);
  }

  /** By the order of their bytes, whatever comes and goes: as the kernel walks the buckets of a hash. */
  *batches(size: number): Generator<[K, V][], void> {
    let [keys, at, last, keySets] = [[] as string[], 0, '', -1];
    for (;;) {
      this.#hooks.read(this.#name);
      if (keySets !== this.#keySets) {
        keys = [...this.#entries.keys()].filter((key) => key > last).sort();
        [at, keySets] = [0, this.#keySets];
      }
      const piece = keys.slice(at, at + size);
      at += size;
      last = piece.at(-1) ?? last;
      yield piece.map((key) => [
        decode(this.#key, key),
        decode(this.#value, this.#entries.get(key) as string),
      ]);
      if (piece.length < size) return;
    }
  }

  put(entries: readonly (readonly [K, V])[]): RefusedEntry[] {
    return refusals(entries, ([key, value]) => {
      const bytes = encode(this.#key, key);
      const isFull = !this.#entries.has(bytes) && this.#entries.size >= this.#limit;
      const errno =
        this.#hooks.before({ table: this.#name, operation: 'put', key }) ??
        (isFull ? E2BIG : undefined);
      if (errno !== undefined) return new KernelError(`write to ${this.#name}`, errno);
      if (!this.#entries.has(bytes)) this.#keySets++;
      this.#entries.set(bytes, encode(this.#value, value));
      this.#hooks.after();
      return undefined;
    });
  }

  delete(keys: readonly K[]): RefusedEntry[] {
    return refusals(keys, (key) => {
      const errno = this.#hooks.before({ table: this.#name, operation: 'delete', key });
      if (errno !== undefined) return new KernelError(`delete from ${this.#name}`, errno);
      if (this.#entries.delete(encode(this.#key, key))) this.#keySets++;
      this.#hooks.after();
      return undefined;
    });
  }
}

/** Slots behind one indirection: growing replaces the array, settling waits until nobody reads the old one. */
export class FakeSlots implements SlotTable {
  #slots: string[];
  readonly #hooks: Hooks;
  /** What {@link settle} waits for. */
  settled: Promise<void> = Promise.resolve();
  settleCalls = 0;

  constructor(capacity: number, hooks = NO_HOOKS) {
    this.#slots = zeroed(capacity);
    this.#hooks = hooks;
  }

  get capacity(): number {
    return this.#slots.length;
  }

  /** What a program finds at `index`; undefined behind the end. */
  at(index: number): IpPort | undefined {
    const bytes = this.#slots[index];
    return bytes === undefined ? undefined : decode(SLOT, bytes);
  }

  read(first = 0, count = this.capacity - first): IpPort[] {
    this.#hooks.read('slots');
    return this.#slots.slice(first, first + count).map((bytes) => decode(SLOT, bytes));
  }

  write(slots: readonly (readonly [number, IpPort])[]): RefusedEntry[] {
    return refusals(slots, ([index, backend]) => {
      const errno =
        this.#hooks.before({ table: 'slots', operation: 'put', key: index }) ??
        (index >= this.capacity ? E2BIG : undefined);
      if (errno !== undefined) return new KernelError('write to slots', errno);
      this.#slots[index] = encode(SLOT, backend);
      this.#hooks.after();
      return undefined;
    });
  }

  async grow(capacity: number): Promise<void> {
    const errno = this.#hooks.before({ table: 'slots', operation: 'grow', key: capacity });
    if (errno !== undefined) throw new KernelError(`create a map of ${capacity} slots`, errno);
    this.#slots = [...this.#slots, ...zeroed(capacity - this.#slots.length)];
    this.#hooks.after();
  }

  settle(): Promise<void> {
    this.settleCalls++;
    return this.settled;
  }
}

const SLOT = MAPS.slots.inner.value;

function zeroed(count: number): string[] {
  return new Array<string>(count).fill('0'.repeat(SLOT.size * 2));
}

function refusals<T>(items: readonly T[], write: (item: T) => KernelError | undefined) {
  return items.flatMap((item, index): RefusedEntry[] => {
    const error = write(item);
    return error ? [{ index, error }] : [];
  });
}

function encode<T>(codec: Codec<T>, value: T): string {
  const bytes = Buffer.alloc(codec.size);
  codec.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, value);
  return bytes.toString('hex');
}

function decode<T>(codec: Codec<T>, hex: string): T {
  const bytes = Buffer.from(hex, 'hex');
  return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
}
