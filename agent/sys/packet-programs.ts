// SPDX-License-Identifier: Apache-2.0
// The programs of the packet path, and on which devices they are: by TCX, or as filters where the kernel has
// no TCX. Like those of datapath.ts they outlive this process. What is attached is asked from the kernel every
// time, never remembered. Devices are those of the network namespace that this thread is in.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { PINNED_MAPS, tableSetup } from './datapath.ts';
import { HeldPins } from './held-pins.ts';
import { EINVAL, ENOENT, KernelError } from './libbpf/kernel-error.ts';
import { LoadedObject } from './libbpf/object.ts';
import { pinObject, updateLink } from './libbpf/pinned-link.ts';
import {
  makeClsact,
  putFilter,
  readClsactQdiscs,
  readFilter,
  removeEmptyClsact,
  removeFilter,
} from './libbpf/tc-filter.ts';
import {
  createTcxLink,
  readPinnedTcxLink,
  readTcxLink,
  TC_DIRECTIONS,
  type TcDirection,
} from './libbpf/tc-link.ts';
import type { Pins } from './pins.ts';

/** What scripts/build makes of bpf/tc.bpf.c. */
const TC_OBJECT = path.join(import.meta.dirname, '../../bpf/build/tc.o');

/** What a device's packets begin with. */
export type Framing = (typeof FRAMINGS)[number];
export const FRAMINGS = ['ethernet', 'ip'] as const;

/** How a program is tied to a device. */
export type TcMechanism = 'tcx' | 'clsact';

/** 'auto': TCX, and clsact where the kernel has no TCX. */
export type TcAttachMode = 'auto' | TcMechanism;

interface Device {
  readonly ifindex: number;
  readonly name: string;
}

/** Ids of our programs on a device. */
export interface AttachedPrograms {
  readonly mechanism: TcMechanism;
  readonly ingress?: number;
  readonly egress?: number;
}

/** The programs, loaded against the pinned tables: those of a framing once there is a device that has it. */
export class PacketPrograms {
  /** Links, and marks of qdiscs. */
  readonly held = new HeldPins();
  readonly #objects = new Map<Framing, LoadedObject>();
  readonly #pins: Pins;
  readonly #mode: TcAttachMode;
  /** What this process has put on devices: by the pin of its link, the device and our program. */
  readonly #placed = new Map<string, { readonly ifindex: number; readonly programId: number }>();
  /** Devices that have our filters. */
  readonly #filtered = new Set<number>();
  readonly #putBack = new Set<string>();
  /** undefined: not tried yet. */
  #hasTcx: boolean | undefined;

  private constructor(pins: Pins, mode: TcAttachMode) {
    this.#pins = pins;
    this.#mode = mode;
  }

  /** Loads the programs of `framings`; the tables must be pinned already (Programs.load). */
  static load(pins: Pins, mode: TcAttachMode, framings: readonly Framing[]): PacketPrograms {
    const programs = new PacketPrograms(pins, mode);
    try {
      for (const framing of framings) programs.#object(framing);
      return programs;
    } catch (error) {
      programs.close();
      throw error;
    }
  }

  /** {@link load} of those that nearly every device needs, while this thread goes on. Rejects as that throws. */
  static async loadInBackground(pins: Pins, mode: TcAttachMode): Promise<PacketPrograms> {
    const programs = new PacketPrograms(pins, mode);
    const framing = 'ethernet';
    programs.#objects.set(
      framing,
      await LoadedObject.loadInBackground(TC_OBJECT, tableSetup(pins), programNames(framing)),
    );
    return programs;
  }

  /**
   * Puts the programs on a device: in place of what an earlier run left there, which never leaves a gap.
   * Egress comes first: what translates replies is there before what makes flows. Idempotent; costs look-ups
   * only where all is as it should be.
   *
   * @throws KernelError when the device refuses.
   */
  attach(device: Device, framing: Framing): TcMechanism {
    if (this.#mode !== 'clsact' && this.#attachTcx(device, framing)) return 'tcx';
    this.#attachClsact(device, framing);
    return 'clsact';
  }

  /**
   * Takes our programs off every device, there or gone, but for those that are tied to it as `kept` says.
   */
  detachOthers(kept: Kept): void {
    detachOthers(this.#pins, kept, this.held);
    for (const [pin, { ifindex }] of this.#placed)
      if (!isKept(kept, ifindex, 'tcx')) this.#placed.delete(pin);
    for (const ifindex of this.#filtered)
      if (!isKept(kept, ifindex, 'clsact')) this.#filtered.delete(ifindex);
  }

  /**
   * Whether the programs that {@link attach} has tied by TCX are where they were put. Of filters the kernel tells by
   * netlink; of links it tells nobody.
   */
  get areInPlace(): boolean {
    for (const [pin, { ifindex, programId }] of this.#placed) {
      const link = this.held.open(pin);
      const now = link === undefined ? undefined : readTcxLink(link, pin);
      if (now?.ifindex !== ifindex || now.programId !== programId) return false;
    }
    return true;
  }

  /** @returns names of devices to which {@link attach} has brought back what had been there, since the last call. */
  takePutBack(): string[] {
    const names = [...this.#putBack];
    this.#putBack.clear();
    return names;
  }

  /** Gives the descriptors back; what is attached stays. */
  close(): void {
    this.held.close();
    for (const object of this.#objects.values()) object.close();
  }

  #object(framing: Framing): LoadedObject {
    const loaded = this.#objects.get(framing) ?? this.#load(framing);
    this.#objects.set(framing, loaded);
    return loaded;
  }

  /** The tables are those that are pinned: what is missing is made again by who holds it, and must not be made anew. */
  #load(framing: Framing): LoadedObject {
    const [missing] = this.#pins.missingMaps(PINNED_MAPS);
    if (missing !== undefined) throw new KernelError(`find the pin ${missing}`, ENOENT);
    return LoadedObject.load(TC_OBJECT, tableSetup(this.#pins), programNames(framing));
  }

  /** @returns false when the kernel has no TCX, and another way is allowed. */
  #attachTcx(device: Device, framing: Framing): boolean {
    if (this.#hasTcx === false) return false;
    for (const direction of TC_DIRECTIONS) {
      const pin = this.#pins.tcxLink(direction, device.ifindex);
      const program = programName(direction, framing);
      const fd = this.#object(framing).programFd(program);
      const programId = this.#object(framing).programId(program);
      const link = this.held.open(pin);
      const now = link === undefined ? undefined : readTcxLink(link, pin);
      if (link !== undefined && now?.ifindex === device.ifindex) {
        if (now.programId !== programId) updateLink(link, fd, pin);
      } else {
        this.held.removeLink(pin);
        const made = createTcxLink(direction, fd, device);
        if (made === undefined) {
          if (this.#hasTcx || this.#mode === 'tcx') {
            throw new KernelError(`attach to ${direction} of device ${device.name} (TCX)`, EINVAL);
          }
          this.#hasTcx = false;
          return false;
        }
        this.held.add(pin, made);
      }
      const before = this.#placed.get(pin);
      if (before?.programId === programId && !isSame(before, now)) this.#putBack.add(device.name);
      this.#placed.set(pin, { ifindex: device.ifindex, programId });
      this.#hasTcx = true;
    }
    return true;
  }

  #attachClsact(device: Device, framing: Framing): void {
    const found = new Map(
      TC_DIRECTIONS.map((direction) => [direction, readFilter(direction, device.ifindex)?.id]),
    );
    if ([...found.values()].every((id) => id === undefined)) this.#makeQdisc(device, framing);
    else this.held.open(this.#pins.qdisc(device.ifindex));
    for (const direction of TC_DIRECTIONS) {
      const program = programName(direction, framing);
      if (found.get(direction) === this.#object(framing).programId(program)) continue;
      putFilter(direction, this.#object(framing).programFd(program), device);
      if (this.#filtered.has(device.ifindex)) this.#putBack.add(device.name);
    }
    this.#filtered.add(device.ifindex);
  }

  /** Remembers whether the qdisc is our making: that of an earlier run may have given way to somebody's. */
  #makeQdisc(device: Device, framing: Framing): void {
    const isOurs = makeClsact(device);
    const mark = this.#pins.qdisc(device.ifindex);
    this.held.remove(mark);
    if (!isOurs) return;
    const program = this.#object(framing).programFd(programName('ingress', framing));
    pinObject(program, mark);
    this.held.hold(mark, program);
  }
}

/** Our programs on devices of this network namespace, by ifindex. */
export function packetAttachments(pins: Pins): Map<number, AttachedPrograms> {
  const attached = new Map<number, AttachedPrograms>();
  for (const { ifindex } of readClsactQdiscs()) {
    const programs = idsOf((direction) => ownFilter(direction, ifindex));
    if (programs) attached.set(ifindex, { mechanism: 'clsact', ...programs });
  }
  for (const ifindex of pins.tcxDevices()) {
    const programs = idsOf((direction) => {
      const link = readPinnedTcxLink(pins.tcxLink(direction, ifindex));
      return link?.ifindex === ifindex ? link.programId : undefined;
    });
    if (programs) attached.set(ifindex, { mechanism: 'tcx', ...programs });
  }
  return attached;
}

/**
 * Takes every program of ours off the devices of this network namespace, and forgets devices that are gone.
 *
 * @returns what was removed, for people.
 */
export function removePacketPrograms(pins: Pins): string[] {
  const held = new HeldPins();
  try {
    return detachOthers(pins, new Map(), held);
  } finally {
    held.close();
  }
}

type Kept = ReadonlyMap<number, TcMechanism | 'either'>;

function isKept(kept: Kept, ifindex: number, mechanism: TcMechanism): boolean {
  return [mechanism, 'either'].includes(kept.get(ifindex) ?? '');
}

function detachOthers(pins: Pins, kept: Kept, held: HeldPins): string[] {
  const removed: string[] = [];
  // As long as pins are missing, what is on devices is known by what is held.
  held.repair();
  for (const ifindex of pins.tcxDevices()) {
    if (!isKept(kept, ifindex, 'tcx')) removed.push(...removeTcx(ifindex, pins, held));
  }
  for (const { ifindex } of readClsactQdiscs()) {
    if (!isKept(kept, ifindex, 'clsact')) removed.push(...removeFilters(ifindex, pins, held));
  }
  // Of devices that are gone, with their qdiscs.
  for (const ifindex of pins.qdiscDevices()) {
    if (!isKept(kept, ifindex, 'clsact')) held.remove(pins.qdisc(ifindex));
  }
  return removed;
}

function isSame(
  a: { readonly ifindex: number; readonly programId: number },
  b: { readonly ifindex: number; readonly programId: number } | undefined,
): boolean {
  return a.ifindex === b?.ifindex && a.programId === b.programId;
}

function programName(direction: TcDirection, framing: Framing): string {
  return `${direction}_${framing}`;
}

function programNames(framing: Framing): string[] {
  return TC_DIRECTIONS.map((direction) => programName(direction, framing));
}

/** What the kernel keeps of the names of all our programs. */
const NAMES = new Set(
  FRAMINGS.flatMap((framing) => programNames(framing).map((name) => name.slice(0, 15))),
);

function ownFilter(direction: TcDirection, ifindex: number): number | undefined {
  const program = readFilter(direction, ifindex);
  return program && NAMES.has(program.name) ? program.id : undefined;
}

function idsOf(
  idOf: (direction: TcDirection) => number | undefined,
): Pick<AttachedPrograms, TcDirection> | undefined {
  const ids = TC_DIRECTIONS.flatMap((direction) => {
    const id = idOf(direction);
    return id === undefined ? [] : [[direction, id] as const];
  });
  return ids.length ? Object.fromEntries(ids) : undefined;
}

/** Ingress first: nothing makes flows that nobody translates back. */
function removeTcx(ifindex: number, pins: Pins, held: HeldPins): string[] {
  return TC_DIRECTIONS.toReversed()
    .map((direction) => pins.tcxLink(direction, ifindex))
    .filter((pin) => held.removeLink(pin));
}

function removeFilters(ifindex: number, pins: Pins, held: HeldPins): string[] {
  const removed: string[] = [];
  for (const direction of TC_DIRECTIONS.toReversed()) {
    if (ownFilter(direction, ifindex) === undefined) continue;
    removeFilter(direction, ifindex);
    removed.push(`the ${direction} filter of device ${ifindex}`);
  }
  const mark = pins.qdisc(ifindex);
  if (existsSync(mark)) {
    if (removeEmptyClsact(ifindex)) removed.push(`the clsact qdisc of device ${ifindex}`);
    held.remove(mark);
  }
  return removed;
}
