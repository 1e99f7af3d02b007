// SPDX-License-Identifier: Apache-2.0
// Where the cgroup v2 root is. On hybrid systems it is not /sys/fs/cgroup, and inside a container with a
// cgroup namespace of its own the mount that looks like the root is not.

import { existsSync, readFileSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { EnvironmentError } from '../errors.ts';

/** CGROUP2_SUPER_MAGIC (linux/magic.h) */
const CGROUP2_MAGIC = 0x63677270;

export interface CgroupMount {
  readonly mountPoint: string;
  /** What of the hierarchy is mounted there, as seen from this process's cgroup namespace. */
  readonly root: string;
}

/** cgroup v2 mounts out of the text of /proc/self/mountinfo (proc_pid_mountinfo(5)). Pure. */
export function cgroupMounts(mountinfo: string): CgroupMount[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields[fields.indexOf('-') + 1] === 'cgroup2')
    .map((fields) => ({
      root: unescapeField(fields[3] ?? '/'),
      mountPoint: unescapeField(fields[4] ?? '/'),
    }));
}

/**
 * The directory to attach to: the root of the hierarchy when some mount shows it, else the mount that shows
 * most (the root of a node that is itself a container).
 *
 * @throws EnvironmentError without any cgroup v2 mount.
 */
export function findCgroupRoot(): string {
  const mounts = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const root =
    mounts.map(({ mountPoint }) => mountPoint).find(isHierarchyRoot) ??
    highestMount(mounts)?.mountPoint;
  if (root === undefined) {
    throw new EnvironmentError('no cgroup v2 hierarchy is mounted', {
      hint: 'mount one: mount -t cgroup2 none /sys/fs/cgroup/unified; in a container, mount the host’s /sys/fs/cgroup',
    });
  }
  return root;
}

/**
 * The mount that shows most. A pod on a node that is itself a container has two: its own, and the node's, whose root
 * lies outside of the pod's cgroup namespace: /.. or further up. Pure.
 */
export function highestMount(mounts: readonly CgroupMount[]): CgroupMount | undefined {
  const levelsUp = ({ root }: CgroupMount) =>
    root.split('/').filter((part) => part === '..').length;
  return mounts.toSorted((a, b) => levelsUp(b) - levelsUp(a))[0];
}

/** Only the root of the hierarchy has no cgroup.type (Documentation/admin-guide/cgroup-v2.rst). */
export function isHierarchyRoot(directory: string): boolean {
  return !existsSync(path.join(directory, 'cgroup.type'));
}

/** @throws EnvironmentError when `directory` is no cgroup v2 directory. */
export function requireCgroup(directory: string): void {
  let type: number | undefined;
  try {
    type = statfsSync(directory).type;
  } catch (cause) {
    throw new EnvironmentError(`cannot use cgroup ${directory}: ${(cause as Error).message}`, {
      hint: `name one below ${findCgroupRoot()}`,
      cause,
    });
  }
  if (type !== CGROUP2_MAGIC) {
    throw new EnvironmentError(`${directory} is not a cgroup v2 directory`, {
      hint: `the hierarchy is mounted at ${findCgroupRoot()}`,
    });
  }
}

/** Whether this process is in `cgroup` or below it, so that programs attached there run for it. */
export function isInsideCgroup(cgroup: string): boolean {
  const own = readFileSync('/proc/self/cgroup', 'utf8').match(/^0::(.*)$/m)?.[1];
  if (own === undefined) return false;
  return cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')).some(({ mountPoint, root }) => {
    // A root of /.. and up is an ancestor of this namespace: everything here is below it.
    const directory = root.startsWith('/..')
      ? mountPoint
      : path.join(mountPoint, path.relative(root, own));
    const below = path.relative(cgroup, directory);
    return !below.startsWith('..') && !path.isAbsolute(below);
  });
}

/** mountinfo writes white space as octal escapes. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  );
}
