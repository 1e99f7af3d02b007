// SPDX-License-Identifier: Apache-2.0
// BPF links to cgroup hooks: what ties a program to a cgroup, outlives the process when pinned, and lets
// a program be replaced in place (kernel 5.7).

import { closeSync, openSync, unlinkSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { ENOENT, EPERM, isNotFound, KernelError } from './kernel-error.ts';
import { check } from './map.ts';

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
const INFO = { size: 64, programId: 8, cgroupId: 16, cgroupAttachType: 24 } as const;

export interface LinkInfo {
  readonly programId: number;
  /** Inode number of the cgroup's directory; 0n when the cgroup is gone. */
  readonly cgroupId: bigint;
}

/** Ties program `programFd` to `hook` of the cgroup and pins the link. Other programs on the hook stay. */
export function createPinnedLink(
  hook: CgroupHook,
  programFd: number,
  cgroup: string,
  pin: string,
): void {
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
    check(link, attempted);
    try {
      check(libbpf().objectPin(link, pin), `pin the link of ${hook} at ${pin}`);
    } finally {
      closeSync(link);
    }
  } finally {
    closeSync(cgroupFd);
  }
}

/** What the link pinned at `pin` ties together; undefined when there is no such pin. */
export function readPinnedLink(pin: string): LinkInfo | undefined {
  return withPinnedLink(pin, (link) => {
    const info = Buffer.alloc(INFO.size);
    check(libbpf().objectInfo(link, info, [info.length]), `read the properties of link ${pin}`);
    return {
      programId: info.readUInt32LE(INFO.programId),
      cgroupId: info.readBigUInt64LE(INFO.cgroupId),
    };
  });
}

/** Swaps the program of the link pinned at `pin`: every connection meets the old one or the new one. */
export function updatePinnedLink(pin: string, programFd: number): void {
  const done = withPinnedLink(pin, (link) =>
    check(libbpf().linkUpdate(link, programFd, null), `replace the program of link ${pin}`),
  );
  if (done === undefined) throw new KernelError(`replace the program of link ${pin}`, ENOENT);
}

/** Takes the program off its cgroup and removes the pin. @returns false when there was no pin. */
export function removePinnedLink(pin: string): boolean {
  const found = withPinnedLink(pin, (link) =>
    check(libbpf().linkDetach(link), `detach link ${pin}`),
  );
  if (found === undefined) return false;
  unlinkSync(pin);
  return true;
}

function withPinnedLink<T>(pin: string, use: (link: number) => T): T | undefined {
  let link: number;
  try {
    link = check(libbpf().objectGet(pin), `open pinned link ${pin}`);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  try {
    return use(link);
  } finally {
    closeSync(link);
  }
}
