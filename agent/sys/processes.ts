// SPDX-License-Identifier: Apache-2.0
// Processes of the node, as a proc file system shows them: all, and those of a name in this network namespace, to see
// whether somebody runs who would put back what is removed.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

/**
 * @param name as in /proc/PID/comm: 15 characters at most.
 * @param procDirectory a proc file system that shows them; in a container without the host's, nothing is found.
 * @returns their ids.
 */
export function processesNamed(name: string, procDirectory: string): number[] {
  const own = namespaceOf('/proc/thread-self');
  return processIds(procDirectory).filter((pid) => {
    const directory = path.join(procDirectory, `${pid}`);
    return nameOf(directory) === name && namespaceOf(directory) === own;
  });
}

/** All that a proc file system shows. Any of them may have ended by now. */
export function processIds(procDirectory: string): number[] {
  return readdirSync(procDirectory)
    .filter((name) => /^\d+$/.test(name))
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
