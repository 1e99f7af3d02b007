// SPDX-License-Identifier: Apache-2.0
// Where pins live: /sys/fs/bpf, mounted when nobody has done so yet (and left mounted, as every tool
// that pins expects it), with a directory per lab below.

import { statfsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { runCommand } from './run-command.ts';

export const BPFFS = '/sys/fs/bpf';

/** BPF_FS_MAGIC (linux/magic.h) */
const BPFFS_MAGIC = 0xcafe4a11;

export async function ensureBpffs(): Promise<void> {
  if (statfsSync(BPFFS).type === BPFFS_MAGIC) return;
  await runCommand(['mount', '-t', 'bpf', 'bpf', BPFFS]);
}

/** Unpins whatever is pinned below `directory`: a link without another holder detaches. Missing is fine. */
export async function removePins(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}
