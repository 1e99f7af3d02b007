// SPDX-License-Identifier: Apache-2.0
// Gives back what the start took, and each long pass. V8 keeps that room for a while "in case", which for an agent
// that then sits still is for ever: 100 of 235 MB at 10,000 Services; libc keeps another 20.

import v8 from 'node:v8';
import vm from 'node:vm';
import { trimMalloc } from '../sys/libbpf/malloc.ts';

type CollectGarbage = (options: { type: 'major'; flavor: 'last-resort' }) => void;

let due: NodeJS.Timeout | undefined;

/** Takes some 0.1 s of the main thread. Changes no behaviour: where it cannot be had, nothing happens. */
export function releaseMemory(): void {
  // Once is enough for what is there now.
  clearTimeout(due);
  v8.setFlagsFromString('--expose-gc');
  const collect: CollectGarbage | undefined = vm.runInNewContext('globalThis.gc');
  v8.setFlagsFromString('--no-expose-gc');
  collect?.({ type: 'major', flavor: 'last-resort' });
  trimMalloc();
}

/** From so many Services on a pass leaves enough behind: an audit of 10,000 leaves 80 MB. */
const LONG_PASS = 1000;
/** Whoever waited for the pass comes first. */
const AFTER_MS = 1000;

/** {@link releaseMemory}, when a pass over so many Services has just ended and no other has followed it. */
export function releaseMemoryAfter({ services }: { readonly services: number }): void {
  if (services < LONG_PASS) return;
  clearTimeout(due);
  due = setTimeout(releaseMemory, AFTER_MS).unref();
}
