// SPDX-License-Identifier: Apache-2.0
// What reconciling needs of the kernel's tables: as little as possible, so that tests can put a refusal
// anywhere. sys/datapath.ts has the real ones.

import type { RefusedEntry } from '../sys/kernel-map.ts';
import type {
  FrontendKey,
  FrontendValue,
  IpPort,
  IpPrefix,
  MemberKey,
  MemberValue,
  Node,
  NodePortAddress,
  Presence,
  ServicePortName,
  SourceRangeKey,
} from '../sys/layout.gen.ts';

export interface Table<K, V> {
  /** Writes every entry, each atomically; @returns those that were refused. */
  put(entries: readonly (readonly [K, V])[]): RefusedEntry[];
  /** Deleting what is not there succeeds. */
  delete(keys: readonly K[]): RefusedEntry[];
  /** Of a trie of prefixes: what the longest one holds that `key` is in. */
  get(key: K): V | undefined;
  entries(): [K, V][];
  /**
   * {@link entries}, so many at a time, each read when it is asked for. What is written in between may be missed or come
   * twice, and what was read may be gone. What nobody writes in between comes once; only of a trie of prefixes, from
   * which others are deleted, again and again.
   */
  batches(size: number): Generator<[K, V][], void>;
}

export interface SlotTable {
  readonly capacity: number;
  /** So many slots by index, from `first` on; without that, every one. No more than there are. */
  read(first?: number, count?: number): IpPort[];
  write(slots: readonly (readonly [number, IpPort])[]): RefusedEntry[];
  grow(capacity: number): Promise<void>;
  /** Resolves when no program can be reading what was unpublished before the call. */
  settle(): Promise<void>;
}

/** Connections to each service port, counted by the programs. */
export interface CountTable {
  readonly capacity: number;
  /** Sets counters to zero. */
  clear(counters: readonly number[]): void;
}

export interface KernelTables {
  readonly frontends: Table<FrontendKey, FrontendValue>;
  readonly members: Table<MemberKey, MemberValue>;
  readonly sourceRanges: Table<SourceRangeKey, Presence>;
  readonly servicePorts: Table<number, ServicePortName>;
  readonly slots: SlotTable;
  readonly serviceCounts: CountTable;
  /** One entry, at 0; an array: it cannot be deleted. */
  readonly nodes: Pick<Table<number, Node>, 'put' | 'entries'>;
  readonly nodePortAddresses: Table<NodePortAddress, Presence>;
  readonly serviceCidrs: Table<IpPrefix, Presence>;
  readonly clusterCidrs: Table<IpPrefix, Presence>;
}
