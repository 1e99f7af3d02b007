// SPDX-License-Identifier: Apache-2.0
// Finds network namespaces by the processes in them. Used by stale-sockets.ts and connected-udp.ts, to go where sockets are.

import { closeSync, fstatSync, openSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { processIds } from './processes.ts';

/**
 * Opens network namespaces, each for the caller to close.
 *
 * @param inodes as /proc/PID/ns/net shows them.
 * @param procDirectory a proc file system in which the node's processes are.
 * @returns descriptors by inode, without those that no process is in.
 */
export function openNamespaces(
  inodes: ReadonlySet<number>,
  procDirectory: string,
): Map<number, number> {
  const opened = new Map<number, number>();
  for (const pid of processIds(procDirectory)) {
    if (opened.size === inodes.size) break;
    const file = namespaceFile(procDirectory, pid);
    const inode = inodeOf(file);
    if (inode === undefined || !inodes.has(inode) || opened.has(inode)) continue;
    const fd = openIfStill(file, inode);
    if (fd !== undefined) opened.set(inode, fd);
  }
  return opened;
}

/** Every network namespace that a process is in, by its inode. */
export function namespacesInUse(procDirectory: string): Set<number> {
  const inodes = processIds(procDirectory).map((pid) => inodeOf(namespaceFile(procDirectory, pid)));
  return new Set(
    inodes.filter((inode) => inode !== undefined && !Number.isNaN(inode)),
  ) as Set<number>;
}

function namespaceFile(procDirectory: string, pid: number): string {
  return path.join(procDirectory, `${pid}`, 'ns/net');
}

/** Reads what the link says, `net:[4026531840]`: cheaper than to follow it. */
function inodeOf(file: string): number | undefined {
  try {
    return Number(readlinkSync(file).match(/^net:\[(\d+)\]$/)?.[1]);
  } catch {
    // The process has ended, or is none that we may look into.
    return undefined;
  }
}

/** The process may have ended since, and another one have its pid. */
function openIfStill(file: string, inode: number): number | undefined {
  try {
    const fd = openSync(file, 'r');
    if (fstatSync(fd).ino === inode) return fd;
    closeSync(fd);
  } catch {}
  return undefined;
}
