// SPDX-License-Identifier: Apache-2.0
// Where kernels are kept, and the file beside each that says what it is. Read by fetch-kernel.ts, main.ts and boot.ts.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import type { Kernel } from './kernels.ts';

/** SIGNALBOX_KERNELS overrides it. */
export function kernelsDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const caches = env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  return path.resolve(env.SIGNALBOX_KERNELS || path.join(caches, 'signalbox/kernels'));
}

/** What is known of a kernel by name, in NAME.json. */
export interface Entry {
  readonly release: string;
  readonly package: string;
  readonly version: string;
  /** In the folder of all kernels. */
  readonly folder: string;
  /** When a mirror was last asked for a newer one, in ms since 1970. */
  readonly askedMs: number;
}

/** @returns the downloaded kernel of this name; undefined when there is none. */
export function readEntry(name: string): Entry | undefined {
  const file = entryFile(name);
  if (!existsSync(file)) return undefined;
  const entry = JSON.parse(readFileSync(file, 'utf8')) as Entry;
  return existsSync(path.join(kernelsDirectory(), entry.folder)) ? entry : undefined;
}

export function entryFile(name: string): string {
  return path.join(kernelsDirectory(), `${name}.json`);
}

export function kernelOf(name: string, entry: Entry): Kernel {
  const { release, version, folder } = entry;
  const directory = path.join(kernelsDirectory(), folder);
  return { name, release, package: entry.package, version, directory };
}

/**
 * @returns the kernel of a folder that someone else has made: vmlinux beside lib/modules/RELEASE, as
 * `make modules_install INSTALL_MOD_PATH=DIR` leaves it. @throws Error when something of it is missing.
 */
export function kernelInDirectory(directory: string): Kernel {
  const at = path.resolve(directory);
  const modules = path.join(at, 'lib/modules');
  const releases = existsSync(modules) ? readdirSync(modules) : [];
  const [release] = releases;
  if (release === undefined || releases.length > 1 || !existsSync(path.join(at, 'vmlinux'))) {
    throw new Error(
      `${at} is no kernel to boot: it has to hold vmlinux, unpacked, and lib/modules with one release (found ${releases.length})`,
    );
  }
  return { name: path.basename(at), release, package: '', version: '', directory: at };
}
