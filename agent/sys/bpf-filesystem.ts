// SPDX-License-Identifier: Apache-2.0
// BPF file systems: what pins must lie in, and the place that the kernel keeps for one. systemd mounts one there, but
// not on a node that is itself a container, and other inits do not: `agent --init-only`, which the DaemonSet runs before
// the agent, does it then.

import { statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Logger } from '../telemetry/log.ts';
import { mount } from './libbpf/mount.ts';

const PLACE = '/sys/fs/bpf';

/** BPF_FS_MAGIC (linux/magic.h) */
const BPFFS_MAGIC = 0xcafe4a11;

/** Whether `directory`, or the first above it that is there, lies in one. */
export function isInBpffs(directory: string): boolean {
  return statfsSync(nearestDirectory(directory)).type === BPFFS_MAGIC;
}

/**
 * Whether the host has the same file system at `directory` as this process, which may be in a container.
 *
 * @param proc a proc file system in which the node's processes are.
 * @returns undefined when it cannot be told.
 */
export function isHostsToo(directory: string, proc: string): boolean | undefined {
  try {
    const own = statSync(directory);
    statSync(onHost('/', proc));
    const hosts = statSync(onHost(directory, proc), { throwIfNoEntry: false });
    return hosts?.dev === own.dev && hosts.ino === own.ino;
  } catch {
    return undefined;
  }
}

/** The host's directory of that name, as this process reaches it. @param proc as for {@link isHostsToo}. */
export function onHost(directory: string, proc: string): string {
  return path.join(proc, '1/root', directory);
}

/**
 * Mounts one where there is none. Nothing elsewhere: a directory that somebody chose is theirs to mount.
 *
 * @param pins where pins are to be.
 * @throws KernelError when it may not be mounted.
 */
export function ensureBpffs(pins: string, log: Logger): void {
  if (!path.resolve(pins).startsWith(`${PLACE}/`)) return;
  if (isInBpffs(PLACE)) return;
  mount('bpf', PLACE, 'mode=700');
  log.info({ directory: PLACE }, 'mounted a BPF file system');
}

function nearestDirectory(directory: string): string {
  try {
    statfsSync(directory);
    return directory;
  } catch {
    return nearestDirectory(path.dirname(directory));
  }
}
