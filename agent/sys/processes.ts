// SPDX-License-Identifier: Apache-2.0
// Processes by name, of this network namespace. Used to see whether somebody runs who would put back what is removed.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

/**
 * @param name as in /proc/PID/comm: 15 characters at most.
 * @param procDirectory a proc file system that shows them; in a container without the host's, nothing is found.
 * @returns their ids.
 */
export function processesNamed(name: string, procDirectory: string): number[] {
  const own = namespaceOf('/proc/thread-self');
  return readdirSync(procDirectory)
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const directory = path.join(procDirectory, pid);
      return nameOf(directory) === name && namespaceOf(directory) === own;
    })
    .map(Number);
}

function nameOf(directory: string): string | undefined {
  return unlessEnded(() => readFileSync(path.join(directory, 'comm'), 'utf8').trimEnd());
}

function namespaceOf(directory: string): string | undefined {
  return unlessEnded(() => readlinkSync(path.join(directory, 'ns/net')));
}

function unlessEnded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
