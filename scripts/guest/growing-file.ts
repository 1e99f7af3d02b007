// SPDX-License-Identifier: Apache-2.0
// What is added to a file, as it is added. The guest writes its output to files that boot.ts reads by this.

import { closeSync, openSync, readSync } from 'node:fs';

const LOOK_AGAIN_MS = 50;
const CHUNK_BYTES = 1 << 16;

export interface Following {
  /** Reads what is left, and stops. */
  readonly end: () => void;
}

/** Tells of all bytes of a file, in order and each once. @param file that is there. */
export function follow(file: string, onBytes: (bytes: Buffer) => void): Following {
  const fd = openSync(file, 'r');
  const readOn = () => {
    for (;;) {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      const bytes = readSync(fd, chunk, 0, CHUNK_BYTES, null);
      if (bytes === 0) return;
      onBytes(chunk.subarray(0, bytes));
    }
  };
  const timer = setInterval(readOn, LOOK_AGAIN_MS);
  return {
    end() {
      clearInterval(timer);
      readOn();
      closeSync(fd);
    },
  };
}
