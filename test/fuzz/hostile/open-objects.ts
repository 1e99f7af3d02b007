// SPDX-License-Identifier: Apache-2.0
// A process that loads damaged BPF objects, and may die of it: `node open-objects.ts FOLDER` with files 0.o, 1.o, …. It
// writes the number of each before it, and behind it what became of it. Run by bpf-objects.test.ts.

import { existsSync, writeSync } from 'node:fs';
import path from 'node:path';
import { MendableError, messageOf } from '../../../agent/errors.ts';
import { LoadedObject } from '../../../agent/sys/libbpf/object.ts';

const [folder = '.'] = process.argv.slice(2);
for (let i = 0; existsSync(path.join(folder, `${i}.o`)); i++) {
  writeSync(1, `${i} `);
  writeSync(1, `${load(path.join(folder, `${i}.o`))}\n`);
}

/** Without maps: whatever still makes sense is refused by the verifier, and nothing is left in the kernel. */
function load(file: string): string {
  try {
    LoadedObject.load(file, new Map()).close();
    return 'loaded';
  } catch (error) {
    if (!(error instanceof MendableError)) return `BUG ${String(error)}`;
    return `refused: ${messageOf(error).split('\n', 1)[0]}`;
  }
}
