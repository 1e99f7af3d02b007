// SPDX-License-Identifier: Apache-2.0
// Where a program is that the lab does not come with.

import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { EnvironmentError } from '../../agent/errors.ts';

/** Searched first: npm puts programs of packages before all others, one that is called nft among them. */
const OF_ROOT = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @throws EnvironmentError when it is neither among root's programs nor on the PATH. */
export function findProgram(name: string): string {
  const directories = [...OF_ROOT, ...(process.env.PATH ?? '').split(':')];
  const found = directories.map((directory) => path.join(directory, name)).find(isExecutable);
  if (found !== undefined) return found;
  throw new EnvironmentError(`there is no program ${name}`, {
    hint: `install the package that has it (apt-file search bin/${name})`,
  });
}

/**
 * The kube-proxy to compare with, which nothing needs and nobody gets with this project.
 *
 * @param given by the reader; default what the environment names, KUBE_PROXY, else what is on the PATH.
 * @returns undefined when there is none.
 * @throws EnvironmentError when what was named cannot be run.
 */
export function findKubeProxy(given = process.env.KUBE_PROXY): string | undefined {
  if (!given) {
    try {
      return findProgram('kube-proxy');
    } catch {
      return undefined;
    }
  }
  if (isExecutable(given)) return path.resolve(given);
  throw new EnvironmentError(`${given} is no program that can be run`, {
    hint: 'name a kube-proxy binary for this machine, such as one out of its image',
  });
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
