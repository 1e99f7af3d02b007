// SPDX-License-Identifier: Apache-2.0
// What libc keeps of memory that was given back to it. Used by object.ts and commands/release-memory.ts.

import { libc } from './libc.ts';

/**
 * Returns to the kernel what malloc() holds and nobody uses: libbpf's look at the kernel's types alone takes tens of
 * megabytes, in pieces among which others stay. Takes 2 ms.
 */
export function trimMalloc(): void {
  libc().mallocTrim(0);
}

/** mallopt(3) */
const M_MMAP_THRESHOLD = -3;
const LARGE_BYTES = 128 * 1024;

/**
 * From now on large blocks go back to the kernel when they are freed. By itself malloc() raises the bound of what is large
 * to the largest block that was freed, and then keeps such blocks for the thread that had them, where
 * {@link trimMalloc} does not find them: 4 MB of libbpf's.
 */
export function keepNoLargeBlocks(): void {
  libc().mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}
