// SPDX-License-Identifier: Apache-2.0
// BPF links of any kind, and what is pinned: what ties a program to a hook, outlives the process by its pin, and lets
// the program be replaced in place (kernel 5.7). link.ts and tc-link.ts make them; held-pins.ts keeps them open.

import { closeSync, unlinkSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { isNotFound } from './kernel-error.ts';
import { check } from './map.ts';

/** Size of struct bpf_link_info (linux/bpf.h); what is behind `programId` depends on the kind of link. */
const INFO = { size: 64, programId: 8 } as const;

export interface RawLinkInfo {
  readonly programId: number;
  /** The struct bpf_link_info. */
  readonly bytes: Buffer;
}

/** Pins a link, map or program, which then is there for as long as the pin. @throws KernelError */
export function pinObject(fd: number, pin: string): void {
  check(libbpf().objectPin(fd, pin), `make the pin ${pin}`);
}

/** @returns a descriptor of what is pinned there, for the caller to close; undefined when there is no such pin. */
export function openPin(pin: string): number | undefined {
  try {
    return check(libbpf().objectGet(pin), `open what is pinned at ${pin}`);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** What the kernel says of a link. @param pin for messages. */
export function readLinkInfo(link: number, pin: string): RawLinkInfo {
  const bytes = Buffer.alloc(INFO.size);
  check(libbpf().objectInfo(link, bytes, [bytes.length]), `read the properties of link ${pin}`);
  return { programId: bytes.readUInt32LE(INFO.programId), bytes };
}

/** As {@link readLinkInfo}, of the link pinned at `pin`; undefined when there is no such pin. */
export function readPinnedLinkInfo(pin: string): RawLinkInfo | undefined {
  return withPinnedLink(pin, (link) => readLinkInfo(link, pin));
}

/** Swaps the program of a link: whatever comes meets the old one or the new one. @param pin for messages. */
export function updateLink(link: number, programFd: number, pin: string): void {
  check(libbpf().linkUpdate(link, programFd, null), `replace the program of link ${pin}`);
}

/** Takes the program off its hook, whoever else has the link open. @param pin for messages. */
export function detachLink(link: number, pin: string): void {
  check(libbpf().linkDetach(link), `detach link ${pin}`);
}

/** Takes the program off its hook and removes the pin. @returns false when there was no pin. */
export function removePinnedLink(pin: string): boolean {
  const found = withPinnedLink(pin, (link) => {
    detachLink(link, pin);
    return true;
  });
  if (!found) return false;
  unlinkSync(pin);
  return true;
}

function withPinnedLink<T>(pin: string, use: (link: number) => T): T | undefined {
  const link = openPin(pin);
  if (link === undefined) return undefined;
  try {
    return use(link);
  } finally {
    closeSync(link);
  }
}
