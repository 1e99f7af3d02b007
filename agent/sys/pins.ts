// SPDX-License-Identifier: Apache-2.0
// Names under bpffs. A map's pin carries the hash of its layout and its size, so that a build meets only tables that it
// understands, of the size that it wants: after an upgrade that changes either, both generations lie side by side until
// the programs have moved.

import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { EnvironmentError, messageOf } from '../errors.ts';
import { isInBpffs } from './bpf-filesystem.ts';
import type { MapSpec } from './codec.ts';
import { possibleCpus } from './cpus.ts';
import { MAPS } from './layout.gen.ts';
import { isNotFound } from './libbpf/kernel-error.ts';
import type { CgroupHook } from './libbpf/link.ts';
import { RawMap } from './libbpf/map.ts';
import { removePinnedLink } from './libbpf/pinned-link.ts';
import { TC_DIRECTIONS, type TcDirection } from './libbpf/tc-link.ts';
import { type AskedSizes, askedFor, entriesFor } from './table-sizes.ts';

export const DEFAULT_BPFFS = '/sys/fs/bpf/signalbox';

/**
 * In the order in which they are attached: what shows a service address comes before what leads to a
 * backend, so that no socket gets an answer that nobody shows as the service's. Taken off in reverse.
 */
export const HOOKS: readonly CgroupHook[] = [
  'recvmsg4',
  'recvmsg6',
  'getpeername4',
  'getpeername6',
  'sendmsg4',
  'sendmsg6',
  'connect4',
  'connect6',
];

/** Below the directory of the pins, by what is pinned there. */
const DIRECTORIES = ['links', 'qdiscs', 'maps'] as const;

/** What of a table its pins are named by. */
export type PinnedLayout = Pick<
  MapSpec<unknown, unknown>,
  'name' | 'layoutHash' | 'type' | 'maxEntries'
>;

/**
 * Tables that are made anew together. Which slots are free is known from `frontends` alone: a build that met
 * an older build's slots without its frontends would write over runs that programs are still led to. And flows
 * name their places in the queue, as these name them.
 */
const TOGETHER: readonly (readonly PinnedLayout[])[] = [
  [MAPS.frontends, MAPS.slots],
  [MAPS.flows, MAPS.flowQueue, MAPS.flowQueueEnds],
];

/** The table itself comes first. */
function madeWith(table: PinnedLayout): readonly PinnedLayout[] {
  const group = TOGETHER.find((tables) => tables.some(({ name }) => name === table.name)) ?? [];
  return [table, ...group.filter(({ name }) => name !== table.name)];
}

function layoutName(table: PinnedLayout): string {
  return [table.name, ...madeWith(table).map(({ layoutHash }) => layoutHash)].join('_');
}

/** `<name>_<layouts>_<entries>`: of the table, then of those made with it. Pure. */
function pinNameOf(table: PinnedLayout, entries: readonly number[]): string {
  return [layoutName(table), ...entries].join('_');
}

/** The name of the pin of a table, when tables are made with so many entries. Pure. */
export function pinName(table: PinnedLayout, entriesOf: (table: PinnedLayout) => number): string {
  return pinNameOf(table, madeWith(table).map(entriesOf));
}

export class Pins {
  readonly directory: string;
  readonly #asked: AskedSizes | undefined;
  readonly #cpus = possibleCpus();

  /**
   * @param asked by who keeps the tables: the sizes that they are to have. Others find them as they are, and would make
   * them as large as they are by themselves.
   */
  constructor(directory: string, asked?: AskedSizes) {
    this.directory = path.resolve(directory);
    this.#asked = asked;
  }

  /** Where the table of this layout is pinned. */
  map(spec: PinnedLayout): string {
    return (
      this.#found(spec) ??
      this.#path(
        'maps',
        pinName(spec, (table) => this.#wanted(table)),
      )
    );
  }

  /** With how many entries the table at {@link map} is made. */
  entries(spec: PinnedLayout): number {
    const found = this.#found(spec);
    return found === undefined ? this.#wanted(spec) : (entriesIn(found, spec) as number);
  }

  link(hook: CgroupHook): string {
    return path.join(this.directory, 'links', hook);
  }

  /** The link of our program in one direction of a device. */
  tcxLink(direction: TcDirection, ifindex: number): string {
    return path.join(this.directory, 'links', `tcx_${direction}_${ifindex}`);
  }

  /** Says that the clsact qdisc of a device is our making; pins a program, as a pin must pin something. */
  qdisc(ifindex: number): string {
    return path.join(this.directory, 'qdiscs', `clsact_${ifindex}`);
  }

  /** Devices that {@link tcxLink} has a pin for. */
  tcxDevices(): Set<number> {
    return this.#ifindexes('links', new RegExp(`^tcx_(?:${TC_DIRECTIONS.join('|')})_(\\d+)$`));
  }

  /** Devices that {@link qdisc} has a pin for. */
  qdiscDevices(): Set<number> {
    return this.#ifindexes('qdiscs', /^clsact_(\d+)$/);
  }

  /** Makes the directories. @throws EnvironmentError when they would not lie in a bpffs, or cannot be made. */
  create(): void {
    if (!isInBpffs(this.directory)) {
      throw new EnvironmentError(`${this.directory} is not in a BPF file system`, {
        hint: 'mount one: mount -t bpf bpf /sys/fs/bpf, or name one with --bpffs DIR',
      });
    }
    for (const kind of DIRECTORIES) {
      const directory = path.join(this.directory, kind);
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
      } catch (cause) {
        throw new EnvironmentError(`cannot make directory ${directory}: ${messageOf(cause)}`, {
          cause,
          hint: 'look whether the BPF file system is mounted read-only, and run as root',
        });
      }
    }
  }

  /** Pins of maps that are not there: somebody has removed them, or mounted another file system over them. */
  missingMaps(specs: readonly PinnedLayout[]): string[] {
    const there = new Set(this.#list('maps'));
    return specs.map((spec) => this.map(spec)).filter((pin) => !there.has(pin));
  }

  /** Pins of maps that `specs` do not name: tables of other builds, and of other sizes. */
  otherMaps(specs: readonly PinnedLayout[]): string[] {
    const own = new Set(specs.map((spec) => this.map(spec)));
    return this.#list('maps').filter((pin) => !own.has(pin));
  }

  /** Removes {@link otherMaps}, when no program uses them any more. */
  removeOtherMaps(specs: readonly PinnedLayout[]): string[] {
    const others = this.otherMaps(specs);
    for (const pin of others) rmSync(pin);
    return others;
  }

  /** Takes programs off their hooks, then removes every pin and directory. @returns what was removed. */
  removeAll(): string[] {
    const removed: string[] = [];
    const links = this.#list('links');
    const inOrder = [
      ...[...this.tcxDevices()].flatMap((ifindex) =>
        TC_DIRECTIONS.toReversed().map((direction) => this.tcxLink(direction, ifindex)),
      ),
      ...HOOKS.toReversed().map((hook) => this.link(hook)),
    ];
    for (const pin of [...inOrder.filter((pin) => links.includes(pin)), ...links]) {
      if (removePinnedLink(pin)) removed.push(pin);
    }
    for (const pin of [...this.#list('qdiscs'), ...this.#list('maps')]) {
      rmSync(pin);
      removed.push(pin);
    }
    for (const directory of [...DIRECTORIES, '.'])
      removeEmpty(path.join(this.directory, directory));
    return removed;
  }

  #wanted(spec: PinnedLayout): number {
    return entriesFor(spec, this.#cpus, askedFor(spec.name, this.#asked ?? new Map()));
  }

  /**
   * What is there, for who takes tables as they are. Of those that differ in size alone the one that has been there longest:
   * the other is not at work yet.
   */
  #found(spec: PinnedLayout): string | undefined {
    if (this.#asked) return undefined;
    const found = this.#list('maps').filter((pin) => entriesIn(pin, spec) !== undefined);
    if (found.length < 2) return found[0];
    const ids = new Map(found.map((pin) => [pin, mapIdAt(pin) ?? Infinity] as const));
    return found.sort((a, b) => Number(ids.get(a)) - Number(ids.get(b)))[0];
  }

  #path(kind: (typeof DIRECTORIES)[number], name: string): string {
    return path.join(this.directory, kind, name);
  }

  #ifindexes(kind: (typeof DIRECTORIES)[number], pin: RegExp): Set<number> {
    return new Set(
      this.#list(kind).flatMap((file) => {
        const [, ifindex] = path.basename(file).match(pin) ?? [];
        return ifindex === undefined ? [] : Number(ifindex);
      }),
    );
  }

  #list(kind: (typeof DIRECTORIES)[number]): string[] {
    const directory = path.join(this.directory, kind);
    try {
      return readdirSync(directory).map((name) => path.join(directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }
}

/** The table's entries, as the name of one of its pins tells them; undefined when it is another table's. */
function entriesIn(pin: string, table: PinnedLayout): number | undefined {
  const name = path.basename(pin);
  const entries = name.slice(layoutName(table).length + 1).split('_');
  if (entries.length !== madeWith(table).length || !entries.every((word) => /^\d+$/.test(word)))
    return undefined;
  return name === pinNameOf(table, entries.map(Number)) ? Number(entries[0]) : undefined;
}

/** Ids go up: a map that has a higher one was made later. undefined: nothing is pinned there. @throws KernelError */
export function mapIdAt(pin: string): number | undefined {
  try {
    const map = RawMap.openPin(pin);
    try {
      return map.id;
    } finally {
      map.close();
    }
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
