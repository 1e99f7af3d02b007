// SPDX-License-Identifier: Apache-2.0
// TCX: BPF links to the traffic-control hooks of network devices (kernel 6.6). tc-filter.ts has what
// older kernels have in its place. Devices are those of the network namespace that this thread is in.

import { libbpf } from './ffi.ts';
import { EINVAL, KernelError } from './kernel-error.ts';
import { pinNewLink, readLinkInfo } from './pinned-link.ts';

/** In which a device is passed; in the order in which programs are attached. */
export const TC_DIRECTIONS = ['egress', 'ingress'] as const;
export type TcDirection = (typeof TC_DIRECTIONS)[number];

/** enum bpf_attach_type: BPF_TCX_INGRESS, BPF_TCX_EGRESS */
export const TCX_ATTACH_TYPES: Readonly<Record<TcDirection, number>> = { ingress: 46, egress: 47 };

/** Offset in struct bpf_link_info (linux/bpf.h) of a TCX link. */
const INFO = { ifindex: 16 } as const;

export interface TcxLinkInfo {
  readonly programId: number;
  /** 0 when the device is gone. */
  readonly ifindex: number;
}

/**
 * Ties a program to a device behind those that are there, and pins the link.
 *
 * @param device for messages.
 * @returns false when the kernel has no such links, as far as can be told: it calls the request invalid.
 * @throws KernelError when it refuses for another reason.
 */
export function createPinnedTcxLink(
  direction: TcDirection,
  programFd: number,
  { ifindex, name }: { readonly ifindex: number; readonly name: string },
  pin: string,
): boolean {
  const link = libbpf().linkCreate(programFd, ifindex, TCX_ATTACH_TYPES[direction], null);
  if (link === -EINVAL) return false;
  if (link < 0) throw new KernelError(`attach to ${direction} of device ${name} (TCX)`, -link);
  pinNewLink(link, pin);
  return true;
}

/** What the link pinned at `pin` ties together; undefined when there is no such pin. */
export function readPinnedTcxLink(pin: string): TcxLinkInfo | undefined {
  const info = readLinkInfo(pin);
  return info && { programId: info.programId, ifindex: info.bytes.readUInt32LE(INFO.ifindex) };
}
