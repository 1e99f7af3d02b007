// SPDX-License-Identifier: Apache-2.0
// TCX: BPF links to the traffic-control hooks of network devices (kernel 6.6). tc-filter.ts has what
// older kernels have in its place. Devices are those of the network namespace that this thread is in.

import { libbpf } from './ffi.ts';
import { EINVAL, KernelError } from './kernel-error.ts';
import { type RawLinkInfo, readLinkInfo, readPinnedLinkInfo } from './pinned-link.ts';

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
 * Ties a program to a device behind those that are there.
 *
 * @param device for messages.
 * @returns the link; undefined when the kernel has no such links, as far as can be told: it calls the request invalid.
 * @throws KernelError when it refuses for another reason.
 */
export function createTcxLink(
  direction: TcDirection,
  programFd: number,
  { ifindex, name }: { readonly ifindex: number; readonly name: string },
): number | undefined {
  const link = libbpf().linkCreate(programFd, ifindex, TCX_ATTACH_TYPES[direction], null);
  if (link === -EINVAL) return undefined;
  if (link < 0) throw new KernelError(`attach to ${direction} of device ${name} (TCX)`, -link);
  return link;
}

/** What the link pinned at `pin` ties together; undefined when there is no such pin. */
export function readPinnedTcxLink(pin: string): TcxLinkInfo | undefined {
  const info = readPinnedLinkInfo(pin);
  return info && linkInfoOf(info);
}

/** As {@link readPinnedTcxLink}, of an open link. @param pin for messages. */
export function readTcxLink(link: number, pin: string): TcxLinkInfo {
  return linkInfoOf(readLinkInfo(link, pin));
}

function linkInfoOf({ programId, bytes }: RawLinkInfo): TcxLinkInfo {
  return { programId, ifindex: bytes.readUInt32LE(INFO.ifindex) };
}
