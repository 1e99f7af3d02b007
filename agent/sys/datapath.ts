// SPDX-License-Identifier: Apache-2.0
// The datapath of one node: its tables and the programs on the hooks of its cgroup. Everything is pinned
// and outlives this process; opening it again finds the same tables.

import { statSync } from 'node:fs';
import path from 'node:path';
import type { MapSpec } from './codec.ts';
import { HeldPins } from './held-pins.ts';
import { KernelMap } from './kernel-map.ts';
import {
  type Device,
  type FrontendKey,
  type FrontendValue,
  type IpPrefix,
  MAPS,
  type MemberKey,
  type MemberValue,
  type Node,
  type NodePortAddress,
  type Presence,
  type ServicePortName,
  type SourceRangeKey,
} from './layout.gen.ts';
import { isNotFound } from './libbpf/kernel-error.ts';
import { type CgroupHook, createLink, readLink, readPinnedLink } from './libbpf/link.ts';
import { RawMap } from './libbpf/map.ts';
import { LoadedObject, type MapSetup } from './libbpf/object.ts';
import { updateLink } from './libbpf/pinned-link.ts';
import { HOOKS, type Pins } from './pins.ts';
import { type Covered, CoveredMap, MendingMap, ServedNetworks } from './served-networks.ts';
import { ServiceCounts } from './service-counts.ts';
import { SlotArray } from './slot-array.ts';

/** What scripts/build makes of bpf/sock.bpf.c. */
const SOCK_OBJECT = path.join(import.meta.dirname, '../../bpf/build/sock.o');

/** Every map that is pinned. */
export const PINNED_MAPS = Object.values(MAPS);

/** The tables that user space reads and writes. */
export interface Tables {
  readonly frontends: KernelMap<FrontendKey, FrontendValue>;
  readonly members: KernelMap<MemberKey, MemberValue>;
  readonly sourceRanges: KernelMap<SourceRangeKey, Presence>;
  readonly servicePorts: KernelMap<number, ServicePortName>;
  readonly slots: SlotArray;
  readonly serviceCounts: ServiceCounts;
  readonly nodes: KernelMap<number, Node>;
  readonly nodePortAddresses: KernelMap<NodePortAddress, Presence>;
  readonly serviceCidrs: KernelMap<IpPrefix, Presence>;
  readonly clusterCidrs: KernelMap<IpPrefix, Presence>;
  readonly devices: KernelMap<number, Device>;
  close(): void;
}

/** Opens the pinned tables. @throws KernelError (ENOENT) when this build's tables are not pinned. */
export function openTables(pins: Pins): Tables {
  const opened: { close(): void }[] = [];
  const opening = <T extends { close(): void }>(table: T): T => {
    opened.push(table);
    return table;
  };
  const close = () => {
    for (const table of opened) table.close();
  };
  try {
    const networks = opening(new ServedNetworks(RawMap.openPin(pins.map(MAPS.servedNetworks))));
    const raw = (spec: (typeof PINNED_MAPS)[number]) => RawMap.openPin(pins.map(spec));
    const frontends = opening(
      new MendingMap(raw(MAPS.frontends), MAPS.frontends, networks, networkOf),
    );
    const nodePortAddresses = opening(
      new CoveredMap(raw(MAPS.nodePortAddresses), MAPS.nodePortAddresses, networks, addressAlone),
    );
    const serviceCidrs = opening(
      new CoveredMap(raw(MAPS.serviceCidrs), MAPS.serviceCidrs, networks, (prefix) => prefix),
    );
    return {
      frontends,
      members: opening(openMap(pins, MAPS.members)),
      sourceRanges: opening(openMap(pins, MAPS.sourceRanges)),
      servicePorts: opening(openMap(pins, MAPS.servicePorts)),
      slots: opening(SlotArray.open(RawMap.openPin(pins.map(MAPS.slots)))),
      serviceCounts: opening(ServiceCounts.open(pins)),
      nodes: opening(openMap(pins, MAPS.nodes)),
      nodePortAddresses,
      serviceCidrs,
      clusterCidrs: opening(openMap(pins, MAPS.clusterCidrs)),
      devices: opening(openMap(pins, MAPS.devices)),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

const networkOf = ({ address }: Covered): Covered => ({ address });

/** The node's own address on the devices of its pods is their neighbour. */
const addressAlone = ({ address }: Covered): Covered => ({ address, isAlone: true });

/** What the programs know of the node; undefined when this build's table is not pinned, whatever else is. */
export function readNode(pins: Pins): Node | undefined {
  let nodes: KernelMap<number, Node> | undefined;
  try {
    nodes = openMap(pins, MAPS.nodes);
    return nodes.get(0);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  } finally {
    nodes?.close();
  }
}

/** A hook and whether our program is on it. */
export interface Attachment {
  readonly hook: string;
  /** 0 when nothing is attached. */
  readonly programId: number;
}

/** The programs, loaded against the pinned tables; {@link Programs.attach} puts them to work. */
export class Programs {
  /** The tables, and what {@link attach} has made. */
  readonly held = new HeldPins();
  readonly #object: LoadedObject;
  readonly #pins: Pins;
  readonly #programIds: ReadonlyMap<CgroupHook, number>;

  private constructor(object: LoadedObject, pins: Pins) {
    this.#object = object;
    this.#pins = pins;
    this.#programIds = new Map(HOOKS.map((hook) => [hook, object.programId(hook)]));
    for (const spec of PINNED_MAPS) this.held.hold(pins.map(spec), object.mapFd(spec.name));
  }

  /** Loads the programs; creates and pins the tables that are not there yet. */
  static load(pins: Pins): Programs {
    pins.create();
    return Programs.#of(LoadedObject.load(SOCK_OBJECT, tableSetup(pins)), pins);
  }

  /** {@link load}, while this thread goes on. Rejects as that throws. */
  static async loadInBackground(pins: Pins): Promise<Programs> {
    pins.create();
    return Programs.#of(await LoadedObject.loadInBackground(SOCK_OBJECT, tableSetup(pins)), pins);
  }

  static #of(object: LoadedObject, pins: Pins): Programs {
    const programs = new Programs(object, pins);
    const slots = RawMap.openPin(pins.map(MAPS.slots));
    SlotArray.initialise(slots);
    slots.close();
    return programs;
  }

  /**
   * Puts the programs on every hook of `cgroup`: in place of what an earlier run left there, which never
   * leaves a hook empty. Idempotent. When a hook refuses, those that were empty before are empty again.
   */
  attach(cgroup: string): void {
    const cgroupId = statSync(cgroup, { bigint: true }).ino;
    const created: CgroupHook[] = [];
    try {
      for (const hook of HOOKS) {
        const pin = this.#pins.link(hook);
        const program = this.#object.programFd(hook);
        const link = this.held.open(pin);
        if (link !== undefined && readLink(link, pin).cgroupId === cgroupId) {
          updateLink(link, program, pin);
        } else {
          this.held.removeLink(pin);
          this.held.add(pin, createLink(hook, program, cgroup));
          created.push(hook);
        }
      }
    } catch (error) {
      for (const hook of created.reverse()) this.held.removeLink(this.#pins.link(hook));
      throw error;
    }
  }

  /** Hooks of `cgroup` on which our programs are no more, although {@link attach} has put them there. */
  displaced(cgroup: string): CgroupHook[] {
    const cgroupId = statSync(cgroup, { bigint: true }).ino;
    return HOOKS.filter((hook) => {
      const pin = this.#pins.link(hook);
      const link = this.held.open(pin);
      const now = link === undefined ? undefined : readLink(link, pin);
      return now?.cgroupId !== cgroupId || now.programId !== this.#programIds.get(hook);
    });
  }

  /** Gives the descriptors back; what is pinned stays. */
  close(): void {
    this.held.close();
    this.#object.close();
  }
}

/** How tables are made, or found, when an object is loaded that has them: all of them, when not told otherwise. */
export function tableSetup(
  pins: Pins,
  specs: readonly (typeof PINNED_MAPS)[number][] = PINNED_MAPS,
): Map<string, MapSetup> {
  return new Map(
    specs.map((spec) => [
      spec.name,
      { pin: pins.map(spec), maxEntries: pins.entries(spec), ...innerOf(spec) },
    ]),
  );
}

function innerOf(spec: (typeof PINNED_MAPS)[number]): Pick<MapSetup, 'inner'> {
  if (!('inner' in spec)) return {};
  const { name, type, flags, key, value } = spec.inner;
  return { inner: { name, type, flags, keySize: key.size, valueSize: value.size } };
}

/** What is on each hook now. */
export function attachments(pins: Pins): Attachment[] {
  return HOOKS.map((hook) => {
    const link = readPinnedLink(pins.link(hook));
    return { hook, programId: link && link.cgroupId !== 0n ? link.programId : 0 };
  });
}

function openMap<K, V>(pins: Pins, spec: MapSpec<K, V>): KernelMap<K, V> {
  return new KernelMap(RawMap.openPin(pins.map(spec)), spec);
}
