// SPDX-License-Identifier: Apache-2.0
// Programs on the traffic-control hooks of devices as filters of a clsact qdisc: what there is before TCX
// (tc-link.ts). A filter lasts for as long as its qdisc does, whoever made that. Ours have a handle and a
// priority of their own, so that they are found again without a pin. Devices are those of the network
// namespace that this thread is in.

import { ALL_QDISCS, allFilters, type ClsactQdisc, clsactOf, isFilter } from '../tc-messages.ts';
import { libbpf } from './ffi.ts';
import { EEXIST, EINVAL, ENODEV, ENOENT, isNotFound, KernelError } from './kernel-error.ts';
import { check } from './map.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts';
import { type ProgramInfo, readProgramInfoById } from './program-info.ts';
import { TC_DIRECTIONS, type TcDirection } from './tc-link.ts';

/** Offsets in struct bpf_tc_hook (libbpf 0.4); enum bpf_tc_attach_point. */
const HOOK = { size: 24, ifindex: 8, attachPoint: 12 } as const;
const ATTACH_POINTS: Readonly<Record<TcDirection, number>> = { ingress: 1, egress: 2 };
/** Both, which is the qdisc itself. */
const QDISC = 3;

/** Offsets in struct bpf_tc_opts (libbpf 0.4). */
const OPTIONS = { size: 32, fd: 8, flags: 12, programId: 16, handle: 20, priority: 24 } as const;
const BPF_TC_F_REPLACE = 1;

/** Filters run in the order of their priorities; the kernel gives out those from 49152 down. */
const PRIORITY = 91;
const HANDLE = 0x5b;

interface Device {
  readonly ifindex: number;
  readonly name: string;
}

/**
 * Makes sure that a device has a clsact qdisc.
 *
 * @returns whether it was made now.
 * @throws KernelError when the device cannot have one, or has an `ingress` qdisc in its place.
 */
export function makeClsact({ ifindex, name }: Device): boolean {
  const attempted = `add a clsact qdisc to device ${name}`;
  const result = libbpf().tcHookCreate(hook(ifindex, QDISC));
  if (result !== -EEXIST) {
    check(result, attempted);
    return true;
  }
  if (readClsactQdiscs().some((qdisc) => qdisc.ifindex === ifindex && qdisc.kind === 'ingress')) {
    const detail = 'it has an ingress qdisc, which has the same place';
    throw new KernelError(attempted, EEXIST, detail, `tc qdisc del dev ${name} ingress`);
  }
  return false;
}

/** Ties a program to a device that has a clsact qdisc; in place of ours that is there, which never leaves a gap. */
export function putFilter(direction: TcDirection, programFd: number, device: Device): void {
  const options = ours();
  options.writeInt32LE(programFd, OPTIONS.fd);
  options.writeUInt32LE(BPF_TC_F_REPLACE, OPTIONS.flags);
  check(
    libbpf().tcAttach(hook(device.ifindex, ATTACH_POINTS[direction]), options),
    `attach to ${direction} of device ${device.name} (clsact)`,
  );
}

/** The program of our filter; undefined when there is none, or no qdisc, or no such device. */
export function readFilter(direction: TcDirection, ifindex: number): ProgramInfo | undefined {
  const options = ours();
  const result = libbpf().tcQuery(hook(ifindex, ATTACH_POINTS[direction]), options);
  if (result === -ENOENT || result === -EINVAL || result === -ENODEV) return undefined;
  check(result, `read the ${direction} filter of device ${ifindex}`);
  try {
    return readProgramInfoById(options.readUInt32LE(OPTIONS.programId));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Takes our filter off. None there, no error. */
export function removeFilter(direction: TcDirection, ifindex: number): void {
  const result = libbpf().tcDetach(hook(ifindex, ATTACH_POINTS[direction]), ours());
  if (result === -ENOENT || result === -EINVAL || result === -ENODEV) return;
  check(result, `take the ${direction} filter off device ${ifindex}`);
}

/** Removes the clsact qdisc of a device, unless somebody has filters there. @returns whether it did. */
export function removeEmptyClsact(ifindex: number): boolean {
  if (TC_DIRECTIONS.some((direction) => hasFilters(direction, ifindex))) return false;
  const result = libbpf().tcHookDestroy(hook(ifindex, QDISC));
  if (result === -ENOENT || result === -EINVAL || result === -ENODEV) return false;
  check(result, `remove the clsact qdisc of device ${ifindex}`);
  return true;
}

/** Every clsact qdisc, and every `ingress` one, of the network namespace. */
export function readClsactQdiscs(): ClsactQdisc[] {
  const qdiscs: ClsactQdisc[] = [];
  asking((socket) => {
    const outcome = socket.ask(ALL_QDISCS, (message) => {
      const qdisc = clsactOf(message);
      if (qdisc) qdiscs.push(qdisc);
    });
    if (outcome !== 0) throw new KernelError('read the qdiscs of this node', outcome);
  });
  return qdiscs;
}

/** Whatever cannot be told counts as a filter: what may be somebody's is left alone. */
function hasFilters(direction: TcDirection, ifindex: number): boolean {
  return asking((socket) => {
    let count = 0;
    const outcome = socket.ask(allFilters(ifindex, direction), (message) => {
      if (isFilter(message)) count++;
    });
    return outcome !== 0 || count > 0;
  });
}

function asking<T>(ask: (socket: NetlinkSocket) => T): T {
  const socket = NetlinkSocket.open(NETLINK_ROUTE);
  try {
    return ask(socket);
  } finally {
    socket.close();
  }
}

function hook(ifindex: number, attachPoint: number): Buffer {
  const bytes = Buffer.alloc(HOOK.size);
  bytes.writeBigUInt64LE(BigInt(HOOK.size), 0);
  bytes.writeInt32LE(ifindex, HOOK.ifindex);
  bytes.writeUInt32LE(attachPoint, HOOK.attachPoint);
  return bytes;
}

function ours(): Buffer {
  const bytes = Buffer.alloc(OPTIONS.size);
  bytes.writeBigUInt64LE(BigInt(OPTIONS.size), 0);
  bytes.writeUInt32LE(HANDLE, OPTIONS.handle);
  bytes.writeUInt32LE(PRIORITY, OPTIONS.priority);
  return bytes;
}
