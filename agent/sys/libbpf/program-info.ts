// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a program, our own or anybody's.

import { closeSync } from 'node:fs';
import { addressOf, libbpf } from './ffi.ts';
import { check } from './map.ts';

/** Offsets in struct bpf_prog_info (linux/bpf.h); it goes on behind what is read of it. */
const INFO = {
  size: 208,
  id: 4,
  mapCount: 52,
  mapIds: 56,
  name: 64,
  nameSize: 16,
  btfId: 128,
  runNs: 192,
  runs: 200,
} as const;

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
  return ofProgram(id, (fd) => readProgramInfo(fd, String(id)));
}

export interface ProgramMaps {
  /** Of the maps that its instructions name. */
  readonly mapIds: readonly number[];
  /** Of the types that it was loaded with; 0: without. */
  readonly btfId: number;
}

/** @throws KernelError (ENOENT) when no program has the id any more. */
export function readProgramMaps(id: number): ProgramMaps {
  return ofProgram(id, (fd) => {
    const attempted = `read the maps of program ${id}`;
    const bytes = Buffer.alloc(INFO.size);
    check(libbpf().objectInfo(fd, bytes, [bytes.length]), attempted);
    const btfId = bytes.readUInt32LE(INFO.btfId);
    const count = bytes.readUInt32LE(INFO.mapCount);
    const ids = Buffer.alloc(count * 4);
    // Asked again for nothing but these: all else that has a length is as long as it says.
    bytes.fill(0);
    bytes.writeUInt32LE(count, INFO.mapCount);
    if (count > 0) bytes.writeBigUInt64LE(addressOf(ids), INFO.mapIds);
    check(libbpf().objectInfo(fd, bytes, [bytes.length]), attempted);
    return { mapIds: Array.from({ length: count }, (_, i) => ids.readUInt32LE(i * 4)), btfId };
  });
}

function ofProgram<T>(id: number, read: (fd: number) => T): T {
  const fd = check(libbpf().programFdById(id), `open program ${id}`);
  try {
    return read(fd);
  } finally {
    closeSync(fd);
  }
}
