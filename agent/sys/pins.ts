// SPDX-License-Identifier: Apache-2.0
// Names under bpffs. A map's pin carries the hash of its layout, so that a build meets only tables that it
// understands: after an upgrade that changes a layout, both generations lie side by side until the
// programs have moved.

import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { EnvironmentError, messageOf } from '../errors.ts';
import { isInBpffs } from './bpf-filesystem.ts';
import type { MapSpec } from './codec.ts';
import { MAPS } from './layout.gen.ts';
import type { CgroupHook } from './libbpf/link.ts';
import { removePinnedLink } from './libbpf/pinned-link.ts';
import { TC_DIRECTIONS, type TcDirection } from './libbpf/tc-link.ts';

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

type Layout = Pick<MapSpec<unknown, unknown>, 'name' | 'layoutHash'>;

/**
 * Tables that are made anew together. Which slots are free is known from `frontends` alone: a build that met
 * an older build's slots without its frontends would write over runs that programs are still led to.
 */
const TOGETHER: readonly Layout[] = [MAPS.frontends, MAPS.slots];

/** The name of the pin of a table, for this build. Pure. */
export function pinName({ name, layoutHash }: Layout): string {
  const isOneOf = TOGETHER.some((table) => table.name === name);
  const others = isOneOf ? TOGETHER.filter((table) => table.name !== name) : [];
  return [name, layoutHash, ...others.map((table) => table.layoutHash)].join('_');
}

export class Pins {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = path.resolve(directory);
  }

  map(spec: Layout): string {
    return path.join(this.directory, 'maps', pinName(spec));
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
  missingMaps(specs: readonly Layout[]): string[] {
    const there = new Set(this.#list('maps'));
    return specs.map((spec) => this.map(spec)).filter((pin) => !there.has(pin));
  }

  /** Removes pins of maps that `specs` do not name: tables of other builds, which no program uses any more. */
  removeOtherMaps(specs: readonly Layout[]): string[] {
    const kept = new Set(specs.map((spec) => this.map(spec)));
    const others = this.#list('maps').filter((pin) => !kept.has(pin));
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

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
