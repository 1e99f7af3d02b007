// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a program, our own or anybody's.

import { closeSync } from 'node:fs';
import { libbpf } from './ffi.ts';
import { check } from './map.ts';

/** Offsets in struct bpf_prog_info (linux/bpf.h); it goes on behind what is read of it. */
const INFO = { size: 208, id: 4, name: 64, nameSize: 16, runNs: 192, runs: 200 } as const;

export interface ProgramInfo {
  readonly id: number;
  /** Its first 15 characters. */
  readonly name: string;
  /** While kernel.bpf_stats_enabled was 1: how often it ran, and for how long. */
  readonly runs: number;
  readonly runSeconds: number;
}

/** @param what for messages. */
export function readProgramInfo(fd: number, what: string): ProgramInfo {
  const bytes = Buffer.alloc(INFO.size);
  check(libbpf().objectInfo(fd, bytes, [bytes.length]), `read the properties of program ${what}`);
  const name = bytes.toString('latin1', INFO.name, INFO.name + INFO.nameSize);
  return {
    id: bytes.readUInt32LE(INFO.id),
    name: name.replace(/\0.*$/s, ''),
    runs: Number(bytes.readBigUInt64LE(INFO.runs)),
    runSeconds: Number(bytes.readBigUInt64LE(INFO.runNs)) / 1e9,
  };
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
