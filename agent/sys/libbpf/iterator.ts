// SPDX-License-Identifier: Apache-2.0
// BPF iterators: programs that the kernel runs for each of its things of one kind while a file is read, and
// that write what is read (Documentation/bpf/bpf_iterators.rst).

import { closeSync, readSync } from 'node:fs';
import { addressOf, libbpf } from './ffi.ts';
import { check, type RawMap } from './map.ts';

/** enum bpf_attach_type */
const BPF_TRACE_ITER = 28;

/** Offsets in struct bpf_link_create_opts (libbpf 0.1). */
const LINK_OPTIONS = { size: 32, iteratorInfo: 16, iteratorInfoLength: 24 } as const;
/** Size of union bpf_iter_link_info (linux/bpf.h), whose first member is map.map_fd. */
const ITERATOR_INFO_SIZE = 16;

/** As large as the kernel's own buffer (kernel/bpf/bpf_iter.c). */
const CHUNK_SIZE = 32 << 10;

/** A program put to work as an iterator. Owns its link, not the program. */
export class Iterator {
  readonly #link: number;
  readonly #name: string;

  /**
   * @param name for messages.
   * @param map the one to go over, when the program is for the elements of a map.
   */
  constructor(programFd: number, name: string, map?: RawMap) {
    const link = libbpf().linkCreate(programFd, 0, BPF_TRACE_ITER, map ? overMap(map) : null);
    this.#link = check(link, `attach iterator ${name}`);
    this.#name = name;
  }

  /**
   * Prepares a run. What goes over sockets goes over those of the network namespace that this thread is in
   * now; it may be read from elsewhere.
   */
  start(): IteratorRun {
    return new IteratorRun(
      check(libbpf().iteratorCreate(this.#link), `start iterator ${this.#name}`),
    );
  }

  close(): void {
    closeSync(this.#link);
  }
}

export class IteratorRun {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Runs it to its end. @returns all that the program wrote. The run is over then, whatever happens. */
  readAll(): Buffer {
    const chunks: Buffer[] = [];
    try {
      for (;;) {
        const chunk = this.#read();
        if (chunk.length === 0) return Buffer.concat(chunks);
        chunks.push(chunk);
      }
    } finally {
      closeSync(this.#fd);
    }
  }

  #read(): Buffer {
    const chunk = Buffer.allocUnsafe(CHUNK_SIZE);
    for (;;) {
      try {
        return chunk.subarray(0, readSync(this.#fd, chunk));
      } catch (error) {
        // After a million things of which the program wrote nothing; the next read goes on from there.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
    }
  }
}

/** A struct bpf_link_create_opts; it points to a buffer that the result keeps alive. */
function overMap(map: RawMap): Buffer {
  const bytes = Buffer.alloc(LINK_OPTIONS.size + ITERATOR_INFO_SIZE);
  const info = bytes.subarray(LINK_OPTIONS.size);
  info.writeUInt32LE(map.fd, 0);
  bytes.writeBigUInt64LE(BigInt(LINK_OPTIONS.size), 0);
  bytes.writeBigUInt64LE(addressOf(info), LINK_OPTIONS.iteratorInfo);
  bytes.writeUInt32LE(info.length, LINK_OPTIONS.iteratorInfoLength);
  return bytes;
}
