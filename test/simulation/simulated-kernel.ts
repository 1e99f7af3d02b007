// SPDX-License-Identifier: Apache-2.0
// The kernel's tables in a simulation: refuses to write, to read and to grow, is full, and is where an agent is killed.
// Beside them is a copy that can be looked at between any two writes without being refused. Used by world.ts.

import { prefixOfKey } from '../../agent/reconcile/entries.ts';
import type { Codec } from '../../agent/sys/codec.ts';
import {
  type FrontendKey,
  type FrontendValue,
  type IpPort,
  MAPS,
  type MemberKey,
  type MemberValue,
  NodeFlags,
  type Presence,
  type ServicePortName,
  type SourceRangeKey,
} from '../../agent/sys/layout.gen.ts';
import { KernelError } from '../../agent/sys/libbpf/kernel-error.ts';
import { type Attempt, E2BIG, FakeTables, Killed, type TableName } from '../helpers/fake-tables.ts';
import type { View } from '../helpers/table-view.ts';
import type { Chance } from './chance.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What the kernel does not do, for as long as it stands. */
export interface Refusal {
  /** Without them: any. */
  readonly table?: TableName;
  readonly operation?: Attempt['operation'];
  readonly errno: number;
  /** From 0 to 1. */
  readonly likelihood: number;
}

/** Told of what happens. */
export interface KernelObserver {
  /** Before a write of the agent that is not refused. */
  writing(attempt: Attempt): void;
  /** After a write, anybody's; of `frontends` with what stood there before. */
  written(attempt: Attempt, before: Frontend | undefined): void;
  /** All that is not read any more is known not to be. */
  settling(): () => void;
  killed(): void;
}

export type Frontend = readonly [FrontendKey, FrontendValue];

const SETTLE_MS = 50;

export class SimulatedKernel {
  readonly tables: FakeTables;
  writes: readonly Refusal[] = [];
  reads: readonly Omit<Refusal, 'operation'>[] = [];
  settles: Pick<Refusal, 'errno' | 'likelihood'> | undefined;
  /** How many entries a table has room for. */
  room: Readonly<Partial<Record<TableName, number>>> = {};
  /** The agent is killed at the next write but so many. */
  killIn: number | undefined;
  /** Writes of agents that were carried out, and what was refused. */
  count = 0;
  refused = 0;
  /** There is no agent: whoever writes, or reads, is one that was killed. */
  isDead = true;
  #isHand = false;
  /** The simulation itself reads, to which nothing is refused. */
  #isLooking = false;
  #attempt: Attempt | undefined;
  readonly #time: VirtualTime;
  readonly #chance: Chance;
  readonly #observer: KernelObserver;
  readonly #frontends = new Copy<FrontendKey, FrontendValue>(MAPS.frontends.key);
  readonly #members = new Copy<MemberKey, MemberValue>(MAPS.members.key);
  readonly #sourceRanges = new Copy<SourceRangeKey, Presence>(MAPS.sourceRanges.key);
  readonly #servicePorts = new Copy<number, ServicePortName>(MAPS.servicePorts.key);
  readonly #slots: IpPort[] = [];

  constructor(slots: number, time: VirtualTime, chance: Chance, observer: KernelObserver) {
    this.#time = time;
    this.#chance = chance;
    this.#observer = observer;
    this.tables = new FakeTables({ slots });
    this.tables.beforeWrite = (attempt) => this.#before(attempt);
    this.tables.afterWrite = () => this.#looking(() => this.#after());
    this.tables.beforeRead = (table) => this.#reading(table);
    this.tables.slots.settle = () => this.#settle();
    this.#looking(() => this.#readSlots(0));
  }

  /** The tables as they are. */
  get view(): View {
    return {
      frontends: this.#frontends,
      members: this.#members,
      sourceRanges: this.#sourceRanges,
      servicePorts: this.#servicePorts,
      slots: { read: () => this.#slots },
    };
  }

  frontend(key: FrontendKey): FrontendValue | undefined {
    return this.#frontends.get(key);
  }

  /** The small tables, a row for each entry, as expected-tables.ts has them. */
  get nodeRows(): Map<string, string> {
    const { nodes, nodePortAddresses, serviceCidrs, clusterCidrs } = this.tables;
    const node = this.#looking(() => nodes.get(0));
    const isLoopback = ((node?.flags ?? 0) & NodeFlags.LOOPBACK_NODE_PORTS) !== 0;
    return this.#looking(
      () =>
        new Map([
          ...(node ? [['node', `${node.ipv4} ${node.ipv6} ${isLoopback}`] as const] : []),
          ...nodePortAddresses
            .entries()
            .map(([{ address }]) => [`nodePorts ${address}`, 'served'] as const),
          ...serviceCidrs
            .entries()
            .map(
              ([key, { present }]) =>
                [`serviceCIDR ${prefixOfKey(key)}`, present ? 'ours' : 'left alone'] as const,
            ),
          ...clusterCidrs
            .entries()
            .map(([key]) => [`clusterCIDR ${prefixOfKey(key)}`, 'there'] as const),
        ]),
    );
  }

  /** Runs `body` as somebody else than the agent, who is refused nothing. */
  byHand<T>(body: () => T): T {
    this.#isHand = true;
    try {
      return body();
    } finally {
      this.#isHand = false;
    }
  }

  #looking<T>(body: () => T): T {
    const before = this.#isLooking;
    this.#isLooking = true;
    try {
      return body();
    } finally {
      this.#isLooking = before;
    }
  }

  endFaults(): void {
    this.writes = [];
    this.reads = [];
    this.settles = undefined;
    this.room = {};
    this.killIn = undefined;
  }

  kill(): void {
    this.killIn = undefined;
    this.isDead = true;
    this.#observer.killed();
  }

  #before(attempt: Attempt): number | undefined {
    this.#attempt = attempt;
    if (this.#isHand) return undefined;
    if (this.isDead) throw new Killed();
    if (this.killIn !== undefined && this.killIn-- <= 0) {
      this.kill();
      throw new Killed();
    }
    const refusal = this.writes.find(
      ({ table, operation, likelihood }) =>
        (table ?? attempt.table) === attempt.table &&
        (operation ?? attempt.operation) === attempt.operation &&
        this.#chance() < likelihood,
    );
    const errno = refusal?.errno ?? (this.#hasRoom(attempt) ? undefined : E2BIG);
    if (errno === undefined) this.#observer.writing(attempt);
    else this.refused++;
    return errno;
  }

  #hasRoom({ table, operation, key }: Attempt): boolean {
    const most = this.room[table];
    if (most === undefined || operation === 'delete') return true;
    if (operation === 'grow') return Number(key) <= most;
    const copy = this.#copyOf(table);
    return !copy || copy.has(key) || copy.size < most;
  }

  #reading(table: TableName): number | undefined {
    if (this.#isHand || this.#isLooking) return undefined;
    if (this.isDead) throw new Killed();
    const refusal = this.reads.find(
      (one) => (one.table ?? table) === table && this.#chance() < one.likelihood,
    );
    if (refusal) this.refused++;
    return refusal?.errno;
  }

  #after(): void {
    const attempt = this.#attempt as Attempt;
    const { table, operation, key } = attempt;
    let before: Frontend | undefined;
    if (operation === 'grow') this.#readSlots(this.#slots.length);
    else if (table === 'slots')
      this.#slots[Number(key)] = this.tables.slots.at(Number(key)) as IpPort;
    else if (table === 'frontends') {
      before = this.#frontends.note(
        key as FrontendKey,
        this.tables.frontends.get(key as FrontendKey),
      );
    } else if (table === 'members') {
      this.#members.note(key as MemberKey, this.tables.members.get(key as MemberKey));
    } else if (table === 'sourceRanges') {
      const range = key as SourceRangeKey;
      this.#sourceRanges.note(range, this.tables.sourceRanges.get(range));
    } else if (table === 'servicePorts') {
      this.#servicePorts.note(Number(key), this.tables.servicePorts.get(Number(key)));
    }
    if (!this.#isHand) this.count++;
    this.#observer.written(attempt, before);
  }

  #copyOf(table: TableName): { readonly size: number; has(key: unknown): boolean } | undefined {
    if (table === 'frontends') return this.#frontends;
    if (table === 'members') return this.#members;
    if (table === 'sourceRanges') return this.#sourceRanges;
    if (table === 'servicePorts') return this.#servicePorts;
    return undefined;
  }

  async #settle(): Promise<void> {
    const settled = this.#observer.settling();
    await this.#time.pause(this.#chance() * SETTLE_MS);
    const { errno = 0, likelihood = 0 } = this.settles ?? {};
    if (this.#chance() < likelihood) throw new KernelError('wait for the programs', errno);
    settled();
  }

  #readSlots(from: number): void {
    for (let i = from; i < this.tables.slots.capacity; i++) {
      this.#slots[i] = this.tables.slots.at(i) as IpPort;
    }
  }
}

/** Of a table, by the bytes of its keys: what is written may have more to it. */
class Copy<K, V> {
  readonly #codec: Codec<K>;
  readonly #entries = new Map<string, [K, V]>();

  constructor(codec: Codec<K>) {
    this.#codec = codec;
  }

  get size(): number {
    return this.#entries.size;
  }

  has(key: unknown): boolean {
    return this.#entries.has(this.#idOf(key as K));
  }

  get(key: K): V | undefined {
    return this.#entries.get(this.#idOf(key))?.[1];
  }

  entries(): [K, V][] {
    return [...this.#entries.values()];
  }

  /** @param value undefined: there is none any more. @returns what was there. */
  note(key: K, value: V | undefined): [K, V] | undefined {
    const id = this.#idOf(key);
    const before = this.#entries.get(id);
    if (value === undefined) this.#entries.delete(id);
    else this.#entries.set(id, [this.#codec.read(viewOf(Buffer.from(id, 'hex')), 0), value]);
    return before;
  }

  #idOf(key: K): string {
    const bytes = Buffer.alloc(this.#codec.size);
    this.#codec.write(viewOf(bytes), 0, key);
    return bytes.toString('hex');
  }
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
