// SPDX-License-Identifier: Apache-2.0
// From Debian's packages of a kernel to a folder that boot.ts takes: vmlinux and lib/modules/RELEASE, nothing else.
// Called by fetch-kernel.ts, which moves the folder to its place when it is whole.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../command.ts';
import { unpackVmlinux } from './vmlinux.ts';

export interface Unpacking {
  /** Packages of Debian. */
  readonly files: readonly string[];
  readonly release: string;
  /** A folder of the caller's, on the same file system as `into`. */
  readonly work: string;
  readonly into: string;
}

/** @throws Error when the packages lack a part, or with the words of dpkg-deb or depmod. */
export async function unpackKernel({ files, release, work, into }: Unpacking): Promise<void> {
  const tree = path.join(work, 'tree');
  mkdirSync(tree);
  for (const file of files) await run('dpkg-deb', ['--extract', file, tree]);
  // Debian 12 puts modules into /lib, where newer ones say /usr/lib.
  const modules = firstThere(tree, [`lib/modules/${release}`, `usr/lib/modules/${release}`]);
  const image = firstThere(tree, [
    `boot/vmlinuz-${release}`,
    `${path.relative(tree, modules)}/vmlinuz`,
  ]);
  mkdirSync(path.join(into, 'lib/modules'), { recursive: true });
  writeFileSync(path.join(into, 'vmlinux'), unpackVmlinux(readFileSync(image)));
  renameSync(modules, path.join(into, 'lib/modules', release));
  await run('depmod', ['--basedir', into, release]);
}

function firstThere(tree: string, places: readonly string[]): string {
  const found = places.map((place) => path.join(tree, place)).find((place) => existsSync(place));
  if (found === undefined)
    throw new Error(`the packages of the kernel hold no ${places.join(' or ')}`);
  return found;
}
