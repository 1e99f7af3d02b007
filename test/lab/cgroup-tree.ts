// SPDX-License-Identifier: Apache-2.0
// The lab's cgroups: child directories of the cgroup v2 mount. The root cgroup is never touched.

import {
  type Dirent,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { patient } from './patience.ts';

const EMPTY_WITHIN_MS = 5_000;

export function createCgroup(directory: string): void {
  mkdirSync(directory, { recursive: true });
}

/** Kills every process in `directory` and below, then removes the directories. Missing is fine. */
export async function removeCgroupTree(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  writeFileSync(path.join(directory, 'cgroup.kill'), '1');
  const deadline = Date.now() + patient(EMPTY_WITHIN_MS);
  while (isPopulated(directory)) {
    if (Date.now() > deadline)
      throw new Error(`processes in ${directory} do not end after SIGKILL`);
    await sleep(2);
  }
  removeDirectories(directory);
}

function isPopulated(directory: string): boolean {
  return readFileSync(path.join(directory, 'cgroup.events'), 'utf8').includes('populated 1');
}

function removeDirectories(directory: string): void {
  const isDirectory = (entry: Dirent) => entry.isDirectory();
  for (const entry of readdirSync(directory, { withFileTypes: true }).filter(isDirectory)) {
    removeDirectories(path.join(directory, entry.name));
  }
  rmdirSync(directory);
}
