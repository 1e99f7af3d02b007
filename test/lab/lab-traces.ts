// SPDX-License-Identifier: Apache-2.0
// Takes off the machine whatever carries a lab's id, running or not. Used by a lab that ends, and by one
// that starts and finds what a killed run left.

import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { statusSocketPath } from '../../agent/telemetry/status-socket.ts';
import { BPFFS, removePins } from './bpf-filesystem.ts';
import { removeCgroupTree } from './cgroup-tree.ts';
import { deadLabOf } from './lab-id.ts';
import { listMemoryCgroups, removeMemoryCgroups } from './memory-cgroup.ts';
import { listNamespaces, removeNamespaces } from './netns.ts';

/** Where a lab keeps what. */
export interface LabPaths {
  readonly cgroup: string;
  readonly bpffs: string;
  /** Logs, kubeconfigs, files that pods see. */
  readonly directory: string;
}

/** @param cgroupRoot the cgroup v2 mount. */
export function labPaths(labId: string, cgroupRoot: string): LabPaths {
  return {
    cgroup: path.join(cgroupRoot, labId),
    bpffs: path.join(BPFFS, labId),
    directory: path.join(tmpdir(), labId),
  };
}

/** Kills the lab's processes and removes all it made. What cannot be removed does not keep the rest. */
export async function removeTraces(labId: string, cgroupRoot: string): Promise<void> {
  const { cgroup, bpffs, directory } = labPaths(labId, cgroupRoot);
  const problems: unknown[] = [];
  const attempt = (removal: Promise<void>) => removal.catch((error) => void problems.push(error));
  await attempt(removeCgroupTree(cgroup));
  await attempt((async () => removeMemoryCgroups(`${labId}-`))());
  await attempt(removePins(bpffs));
  await attempt(removeNamespaces(listNamespaces().filter((name) => name.startsWith(labId))));
  await attempt(rm(directory, { recursive: true, force: true }));
  for (const socket of statusSockets(bpffs)) await attempt(rm(socket, { force: true }));
  if (problems.length > 0) throw new AggregateError(problems, `lab ${labId} left something behind`);
}

/** Sockets of agents that were killed: their names begin with that of the lab's pins. */
function statusSockets(bpffs: string): string[] {
  const prefix = path.basename(statusSocketPath(bpffs), '.sock');
  const directory = path.dirname(statusSocketPath(bpffs));
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.startsWith(prefix))
    .map((name) => path.join(directory, name));
}

/** Removes the traces of labs whose owner is dead. */
export async function removeLeftovers(cgroupRoot: string): Promise<void> {
  const names = [
    ...listNamespaces(),
    ...listMemoryCgroups(),
    ...[cgroupRoot, BPFFS, tmpdir()].flatMap((d) => readdirSync(d)),
  ];
  const dead = new Set(names.flatMap((name) => deadLabOf(name) ?? []));
  for (const labId of dead) await removeTraces(labId, cgroupRoot);
}
