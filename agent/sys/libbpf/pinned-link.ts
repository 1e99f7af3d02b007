// SPDX-License-Identifier: Apache-2.0
// BPF links of any kind by their pins: what ties a program to a hook, outlives the process, and lets the
// program be replaced in place (kernel 5.7). link.ts and tc-link.ts make them. And pins of programs.

import { closeSync, unlinkSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { ENOENT, isNotFound, KernelError } from './kernel-error.ts';
import { check } from './map.ts';

/** Size of struct bpf_link_info (linux/bpf.h); what is behind `programId` depends on the kind of link. */
const INFO = { size: 64, programId: 8 } as const;

export interface RawLinkInfo {
  readonly programId: number;
  /** The struct bpf_link_info. */
  readonly bytes: Buffer;
}

/** Pins a link that was just made, and gives its descriptor back. What cannot be pinned is undone with it. */
export function pinNewLink(link: number, pin: string): void {
  try {
    check(libbpf().objectPin(link, pin), `pin a link at ${pin}`);
  } finally {
    closeSync(link);
  }
}

/** Pins a program itself, which then is there for as long as the pin. */
export function pinProgram(fd: number, pin: string): void {
  check(libbpf().objectPin(fd, pin), `pin a program at ${pin}`);
}

/** What the kernel says of the link pinned at `pin`; undefined when there is no such pin. */
export function readLinkInfo(pin: string): RawLinkInfo | undefined {
  return withPinnedLink(pin, (link) => {
    const bytes = Buffer.alloc(INFO.size);
    check(libbpf().objectInfo(link, bytes, [bytes.length]), `read the properties of link ${pin}`);
    return { programId: bytes.readUInt32LE(INFO.programId), bytes };
  });
}

/** Swaps the program of the link pinned at `pin`: whatever comes meets the old one or the new one. */
export function updatePinnedLink(pin: string, programFd: number): void {
  const done = withPinnedLink(pin, (link) =>
    check(libbpf().linkUpdate(link, programFd, null), `replace the program of link ${pin}`),
  );
  if (done === undefined) throw new KernelError(`replace the program of link ${pin}`, ENOENT);
}

/** Takes the program off its hook and removes the pin. @returns false when there was no pin. */
export function removePinnedLink(pin: string): boolean {
  const found = withPinnedLink(pin, (link) =>
    check(libbpf().linkDetach(link), `detach link ${pin}`),
  );
  if (found === undefined) return false;
  unlinkSync(pin);
  return true;
}

function withPinnedLink<T>(pin: string, use: (link: number) => T): T | undefined {
  let link: number;
  try {
    link = check(libbpf().objectGet(pin), `open pinned link ${pin}`);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  try {
    return use(link);
  } finally {
    closeSync(link);
  }
}
