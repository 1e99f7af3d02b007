// SPDX-License-Identifier: Apache-2.0
// Starts a program inside a node or pod: its network namespace, its cgroup, and for pods its own
// resolv.conf. The child's pid is the program's: every wrapper execs the next.

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { namespacePath } from './netns.ts';

/** Where a program runs. */
export interface Place {
  readonly namespace: string;
  readonly cgroup: string;
  /** Files to see under other names, by a mount namespace of the program's own: what it sees, where it is. */
  readonly files?: Readonly<Record<string, string>>;
}

// nsenter and not `ip netns exec`: that one mounts a fresh /sys, which hides bpffs and the cgroups.
const ENTER = 'echo $$ > "$1/cgroup.procs" && shift && exec nsenter "$@"';
const MOUNT =
  'n=$1; shift; while [ $n -gt 0 ]; do mount --bind "$1" "$2" || exit 1; shift 2; n=$((n-1)); done; exec "$@"';

export function spawnInside(
  place: Place,
  argv: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const files = Object.entries(place.files ?? {});
  const mounts = files.flatMap(([seen, file]) => [file, seen]);
  const inside =
    files.length === 0
      ? argv
      : ['unshare', '--mount', 'sh', '-c', MOUNT, 'sh', String(files.length), ...mounts, ...argv];
  return spawn(
    'sh',
    ['-c', ENTER, 'sh', place.cgroup, `--net=${namespacePath(place.namespace)}`, ...inside],
    // A process group of its own: Ctrl-C at the terminal is the lab's to handle, not each child's.
    { ...options, detached: true },
  );
}
