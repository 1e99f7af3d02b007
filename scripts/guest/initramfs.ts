// SPDX-License-Identifier: Apache-2.0
// The initramfs of a kernel: busybox, initramfs.sh and the modules by which the guest reaches the host's tree. Called by
// boot.ts before each start; made once for a kernel and kept beside it.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../command.ts';
import { type ArchiveFile, packArchive } from './cpio.ts';
import type { Kernel } from './kernels.ts';
import { unpack } from './vmlinux.ts';

/** With all that they depend on. Some are built into some kernels. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
const INIT = path.join(import.meta.dirname, 'initramfs.sh');

const FOLDER = 0o040755;
const PROGRAM = 0o100755;
const FILE = 0o100644;

/** @param busybox a program that needs no libraries. @returns the file, as it is needed now. */
export async function initramfsFor(kernel: Kernel, busybox: string): Promise<string> {
  const init = readFileSync(INIT);
  const key = createHash('sha256').update(init).update(readFileSync(busybox)).digest('hex');
  const file = path.join(kernel.directory, `initramfs-${key.slice(0, 12)}.cpio`);
  if (existsSync(file)) return file;
  const modules = await modulesOf(kernel);
  const archive = packArchive([
    { name: 'bin', mode: FOLDER },
    { name: 'bin/busybox', mode: PROGRAM, content: readFileSync(busybox) },
    { name: 'init', mode: PROGRAM, content: init },
    { name: 'modules', mode: FOLDER },
    ...modules.map((module, at): ArchiveFile => {
      const number = String(at).padStart(2, '0');
      const name = path.basename(module).replace(/\.ko.*$/, '.ko');
      return {
        name: `modules/${number}-${name}`,
        mode: FILE,
        content: unpack(readFileSync(module)),
      };
    }),
  ]);
  // Two commands may make it at once; either one is right.
  const own = `${file}.${process.pid}`;
  writeFileSync(own, archive);
  renameSync(own, file);
  return file;
}

/** @returns their files, in the order in which they can be loaded. */
async function modulesOf({ directory, release }: Kernel): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const module of MODULES) {
    const args = ['--dirname', directory, '--set-version', release, '--show-depends', module];
    const lines = await run('modprobe', args);
    for (const [, file = ''] of lines.matchAll(/^insmod (.+?\.ko(?:\.\w+)?)(?: .*)?$/gm))
      found.add(file);
  }
  return [...found];
}
