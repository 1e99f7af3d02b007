// SPDX-License-Identifier: Apache-2.0
// Which programs are on a hook, whoever put them there: of a cgroup, or of a device's TCX (kernel 6.6).

import { closeSync, openSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { KernelError } from './kernel-error.ts';
import { CGROUP_HOOKS, type CgroupHook } from './link.ts';
import { TCX_ATTACH_TYPES, type TcDirection } from './tc-link.ts';

/** BPF_F_QUERY_EFFECTIVE (linux/bpf.h): those that run here, wherever they are attached further up. */
const EFFECTIVE = 1;

/** More than the kernel allows on a hook of a cgroup (BPF_CGROUP_MAX_PROGS). */
const MOST = 64;

/** Ids of the programs that run for a cgroup. @throws KernelError */
export function cgroupPrograms(hook: CgroupHook, cgroup: string): number[] {
  const fd = openSync(cgroup, 'r');
  try {
    return query(fd, CGROUP_HOOKS[hook], EFFECTIVE, `read the programs on ${hook} of ${cgroup}`);
  } finally {
    closeSync(fd);
  }
}

/** Ids of the programs that TCX has on a device of this network namespace. @throws KernelError where there is no TCX. */
export function tcxPrograms(direction: TcDirection, ifindex: number): number[] {
  const what = `read the programs on ${direction} of device ${ifindex}`;
  return query(ifindex, TCX_ATTACH_TYPES[direction], 0, what);
}

function query(target: number, attachType: number, flags: number, what: string): number[] {
  const ids = Buffer.alloc(MOST * 4);
  const count: [number] = [MOST];
  const result = libbpf().programQuery(target, attachType, flags, [0], ids, count);
  if (result < 0) throw new KernelError(what, -result);
  return Array.from({ length: count[0] }, (_, i) => ids.readUInt32LE(i * 4));
}
