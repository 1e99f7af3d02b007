// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a program, our own or anybody's.

import { closeSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { check } from './map.ts';

/** Offsets in struct bpf_prog_info (linux/bpf.h); it goes on behind what is read of it. */
const INFO = { size: 80, id: 4, name: 64, nameSize: 16 } as const;

export interface ProgramInfo {
  readonly id: number;
  /** Its first 15 characters. */
  readonly name: string;
}

/** @param what for messages. */
export function readProgramInfo(fd: number, what: string): ProgramInfo {
  const bytes = Buffer.alloc(INFO.size);
  check(libbpf().objectInfo(fd, bytes, [bytes.length]), `read the properties of program ${what}`);
  const name = bytes.toString('latin1', INFO.name, INFO.name + INFO.nameSize);
  return { id: bytes.readUInt32LE(INFO.id), name: name.replace(/\0.*$/s, '') };
}

/** @throws KernelError (ENOENT) when no program has the id any more. */
export function readProgramInfoById(id: number): ProgramInfo {
  const fd = check(libbpf().programFdById(id), `open program ${id}`);
  try {
    return readProgramInfo(fd, String(id));
  } finally {
    closeSync(fd);
  }
}
