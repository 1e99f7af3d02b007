// SPDX-License-Identifier: Apache-2.0
// What this machine has to have for guests. Asked by boot.ts before it starts, and by tests, which are skipped without.

import { accessSync, closeSync, constants, openSync, readSync } from 'node:fs';
import path from 'node:path';

/** Debian's packages of the programs. */
const PACKAGES = {
  busybox: 'busybox-static',
  modprobe: 'kmod',
  depmod: 'kmod',
  xz: 'xz-utils',
  flock: 'util-linux',
  setpriv: 'util-linux',
} as const;

export const QEMU = 'qemu-system-x86_64';
const QEMU_PACKAGE = 'qemu-system-x86';

/** @returns why no guest can run here, as a whole sentence without its end; undefined when one can. */
export function whyNoGuest(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (process.arch !== 'x64') return `guests are only for amd64; this machine is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'a guest that sees all of this machine has to be root here';
  const qemu = env.SIGNALBOX_QEMU ?? QEMU;
  const missing: string[] = [];
  if (findProgram(qemu) === undefined) {
    if (qemu !== QEMU) return `there is no program ${qemu}, which SIGNALBOX_QEMU names`;
    missing.push(QEMU_PACKAGE);
  }
  for (const [program, name] of Object.entries(PACKAGES)) {
    const found = findProgram(program);
    const isThere = found !== undefined && (program !== 'busybox' || isStatic(found));
    if (!isThere && !missing.includes(name)) missing.push(name);
  }
  if (missing.length === 0) return undefined;
  const names = missing.join(' ');
  return `missing: ${names}. Run scripts/setup, or apt-get install --no-install-recommends ${names}`;
}

/** @returns the file that runs when a command says this, as a shell finds it, and where root has programs. */
export function findProgram(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  const files = program.includes('/')
    ? [path.resolve(program)]
    : folders.map((folder) => path.join(folder, program));
  return files.find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** An ELF file names its loader near its beginning; one without needs no libraries. */
function isStatic(file: string): boolean {
  const beginning = Buffer.alloc(4096);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, beginning, 0, beginning.length, 0);
  } finally {
    closeSync(fd);
  }
  return !beginning.includes('/ld-linux');
}
