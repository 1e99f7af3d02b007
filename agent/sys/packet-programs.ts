// SPDX-License-Identifier: Apache-2.0
// The programs of the packet path, and on which devices they are: by TCX, or as filters where the kernel has
// no TCX. Like those of datapath.ts they outlive this process. What is attached is asked from the kernel every
// time, never remembered. Devices are those of the network namespace that this thread is in.

import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { tableSetup } from './datapath.ts';
import { EINVAL, KernelError } from './libbpf/kernel-error.ts';
import { LoadedObject } from './libbpf/object.ts';
import { pinProgram, removePinnedLink, updatePinnedLink } from './libbpf/pinned-link.ts';
import {
  makeClsact,
  putFilter,
  readClsactQdiscs,
  readFilter,
  removeEmptyClsact,
  removeFilter,
} from './libbpf/tc-filter.ts';
import {
  createPinnedTcxLink,
  readPinnedTcxLink,
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
  readonly #objects = new Map<Framing, LoadedObject>();
  readonly #pins: Pins;
  readonly #mode: TcAttachMode;
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
  detachOthers(kept: ReadonlyMap<number, TcMechanism | 'either'>): void {
    detachOthers(this.#pins, kept);
  }

  /** Gives the descriptors back; what is attached stays. */
  close(): void {
    for (const object of this.#objects.values()) object.close();
  }

  #object(framing: Framing): LoadedObject {
    const loaded =
      this.#objects.get(framing) ??
      LoadedObject.load(TC_OBJECT, tableSetup(this.#pins), programNames(framing));
    this.#objects.set(framing, loaded);
    return loaded;
  }

  /** @returns false when the kernel has no TCX, and another way is allowed. */
  #attachTcx(device: Device, framing: Framing): boolean {
    if (this.#hasTcx === false) return false;
    for (const direction of TC_DIRECTIONS) {
      const pin = this.#pins.tcxLink(direction, device.ifindex);
      const program = programName(direction, framing);
      const fd = this.#object(framing).programFd(program);
      const link = readPinnedTcxLink(pin);
      if (link?.ifindex === device.ifindex) {
        if (link.programId !== this.#object(framing).programId(program)) updatePinnedLink(pin, fd);
      } else {
        if (link) removePinnedLink(pin);
        if (!createPinnedTcxLink(direction, fd, device, pin)) {
          if (this.#hasTcx || this.#mode === 'tcx') {
            throw new KernelError(`attach to ${direction} of device ${device.name} (TCX)`, EINVAL);
          }
          this.#hasTcx = false;
          return false;
        }
      }
      this.#hasTcx = true;
    }
    return true;
  }

  #attachClsact(device: Device, framing: Framing): void {
    const found = new Map(
      TC_DIRECTIONS.map((direction) => [direction, readFilter(direction, device.ifindex)?.id]),
    );
    if ([...found.values()].every((id) => id === undefined)) this.#makeQdisc(device, framing);
    for (const direction of TC_DIRECTIONS) {
      const program = programName(direction, framing);
      if (found.get(direction) === this.#object(framing).programId(program)) continue;
      putFilter(direction, this.#object(framing).programFd(program), device);
    }
  }

  /** Remembers whether the qdisc is our making: that of an earlier run may have given way to somebody's. */
  #makeQdisc(device: Device, framing: Framing): void {
    const isOurs = makeClsact(device);
    const mark = this.#pins.qdisc(device.ifindex);
    rmSync(mark, { force: true });
    if (isOurs) pinProgram(this.#object(framing).programFd(programName('ingress', framing)), mark);
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
  return detachOthers(pins, new Map());
}

function detachOthers(pins: Pins, kept: ReadonlyMap<number, TcMechanism | 'either'>): string[] {
  const removed: string[] = [];
  const isKept = (ifindex: number, mechanism: TcMechanism) =>
    [mechanism, 'either'].includes(kept.get(ifindex) ?? '');
  for (const ifindex of pins.tcxDevices()) {
    if (!isKept(ifindex, 'tcx')) removed.push(...removeTcx(ifindex, pins));
  }
  for (const { ifindex } of readClsactQdiscs()) {
    if (!isKept(ifindex, 'clsact')) removed.push(...removeFilters(ifindex, pins));
  }
  // Of devices that are gone, with their qdiscs.
  for (const ifindex of pins.qdiscDevices()) {
    if (!isKept(ifindex, 'clsact')) rmSync(pins.qdisc(ifindex), { force: true });
  }
  return removed;
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
function removeTcx(ifindex: number, pins: Pins): string[] {
  return TC_DIRECTIONS.toReversed()
    .map((direction) => pins.tcxLink(direction, ifindex))
    .filter(removePinnedLink);
}

function removeFilters(ifindex: number, pins: Pins): string[] {
  const removed: string[] = [];
  for (const direction of TC_DIRECTIONS.toReversed()) {
    if (ownFilter(direction, ifindex) === undefined) continue;
    removeFilter(direction, ifindex);
    removed.push(`the ${direction} filter of device ${ifindex}`);
  }
  const mark = pins.qdisc(ifindex);
  if (existsSync(mark)) {
    if (removeEmptyClsact(ifindex)) removed.push(`the clsact qdisc of device ${ifindex}`);
    rmSync(mark);
  }
  return removed;
}
