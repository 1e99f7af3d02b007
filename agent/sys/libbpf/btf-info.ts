// SPDX-License-Identifier: Apache-2.0
// The types that the kernel keeps of a map, as bytes; what they say is btf.ts's to find out.

import { closeSync } from 'node:fs';
import { addressOf, libbpf } from './ffi.ts';
import { check, type RawMap } from './map.ts';

/** Offsets in struct bpf_map_info and struct bpf_btf_info (linux/bpf.h). */
const MAP = { size: 88, type: 0, btfId: 64, keyTypeId: 68, valueTypeId: 72 } as const;
const BTF = { size: 32, bytes: 0, length: 8 } as const;

/** What was given to the kernel with the map. */
export interface MapTypes {
  /** enum bpf_map_type */
  readonly mapType: number;
  /** They were loaded with an object; ids go up. 0: there are none. */
  readonly btfId: number;
  /** In that BTF. */
  readonly keyTypeId: number;
  readonly valueTypeId: number;
}

/** @throws KernelError */
export function readMapTypes({ fd, name }: Pick<RawMap, 'fd' | 'name'>): MapTypes {
  const info = Buffer.alloc(MAP.size);
  check(libbpf().objectInfo(fd, info, [info.length]), `read the properties of map ${name}`);
  return {
    mapType: info.readUInt32LE(MAP.type),
    btfId: info.readUInt32LE(MAP.btfId),
    keyTypeId: info.readUInt32LE(MAP.keyTypeId),
    valueTypeId: info.readUInt32LE(MAP.valueTypeId),
  };
}

/** @throws KernelError (EPERM: CAP_SYS_ADMIN is missing) */
export function readBtf(id: number): Uint8Array {
  const fd = check(libbpf().btfFdById(id), `open the types (BTF) with id ${id}`);
  try {
    const length = read(fd, id, new Uint8Array(0));
    const bytes = new Uint8Array(length);
    read(fd, id, bytes);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** Fills `into` as far as it goes. @returns how many bytes there are. */
function read(fd: number, id: number, into: Uint8Array): number {
  const info = Buffer.alloc(BTF.size);
  if (into.length > 0) info.writeBigUInt64LE(addressOf(into), BTF.bytes);
  info.writeUInt32LE(into.length, BTF.length);
  check(libbpf().objectInfo(fd, info, [info.length]), `read the types (BTF) with id ${id}`);
  return info.readUInt32LE(BTF.length);
}
