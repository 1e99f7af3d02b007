// SPDX-License-Identifier: Apache-2.0
// BPF links to cgroup hooks; pinned-link.ts has what links of all kinds have in common.

import { closeSync, openSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { EPERM, KernelError } from './kernel-error.ts';
import { check } from './map.ts';
import { type RawLinkInfo, readLinkInfo, readPinnedLinkInfo } from './pinned-link.ts';

/** enum bpf_attach_type, by the name of the hook that bpf/sock.bpf.c has a program for. */
export const CGROUP_HOOKS = {
  connect4: 10,
  connect6: 11,
  sendmsg4: 14,
  sendmsg6: 15,
  recvmsg4: 19,
  recvmsg6: 20,
  getpeername4: 29,
  getpeername6: 30,
} as const;

export type CgroupHook = keyof typeof CGROUP_HOOKS;

/** Offsets in struct bpf_link_info (linux/bpf.h). */
const INFO = { cgroupId: 16 } as const;

export interface LinkInfo {
  readonly programId: number;
  /** Inode number of the cgroup's directory; 0n when the cgroup is gone. */
  readonly cgroupId: bigint;
}

/** Ties program `programFd` to `hook` of the cgroup. Other programs on the hook stay. @returns the link. */
export function createLink(hook: CgroupHook, programFd: number, cgroup: string): number {
  const cgroupFd = openSync(cgroup, 'r');
  try {
    const attempted = `attach ${hook} to cgroup ${cgroup}`;
    const link = libbpf().linkCreate(programFd, cgroupFd, CGROUP_HOOKS[hook], null);
    if (link === -EPERM) {
      // The program has been loaded, so it is not for want of capabilities (kernel/bpf/cgroup.c).
      const detail = 'another program has this hook, here or further up, to itself';
      throw new KernelError(
        attempted,
        EPERM,
        detail,
        `find it with: bpftool cgroup show ${cgroup} effective`,
      );
    }
    return check(link, attempted);
  } finally {
    closeSync(cgroupFd);
  }
}

/** What the link pinned at `pin` ties together; undefined when there is no such pin. */
export function readPinnedLink(pin: string): LinkInfo | undefined {
  const info = readPinnedLinkInfo(pin);
  return info && linkInfoOf(info);
}

/** As {@link readPinnedLink}, of an open link. @param pin for messages. */
export function readLink(link: number, pin: string): LinkInfo {
  return linkInfoOf(readLinkInfo(link, pin));
}

function linkInfoOf({ programId, bytes }: RawLinkInfo): LinkInfo {
  return { programId, cgroupId: bytes.readBigUInt64LE(INFO.cgroupId) };
}
