// SPDX-License-Identifier: Apache-2.0
// Every source file says under which licence it may be used, before anything else.

import path from 'node:path';
import type { SourceFile } from './source-files.ts';

const SOURCE = /\.(ts|js|mjs|cjs|c|h|sh|py|grit)$|^(Dockerfile|Vagrantfile)$/;

/** @returns one line for each source file whose SPDX line is missing or names another licence. */
export function licenceProblems(files: readonly SourceFile[]): readonly string[] {
  return files.filter(isSource).flatMap((file) => {
    const wanted = licenceOf(file);
    const found = headOf(file)
      .match(/SPDX-License-Identifier: ([^\n]*)/)?.[1]
      ?.replace('*/', '')
      .trim();
    if (found === wanted) return [];
    const instead = found === undefined ? 'is missing' : `names ${found}`;
    return [`${file.path}: the line "SPDX-License-Identifier: ${wanted}" ${instead}`];
  });
}

function isSource({ path: file, text }: SourceFile): boolean {
  return SOURCE.test(path.basename(file)) || text.startsWith('#!');
}

/** The kernel takes GPL programs only; the other choice lets the headers be used elsewhere. */
function licenceOf(file: SourceFile): string {
  return file.path.startsWith('bpf/') ? 'GPL-2.0-only OR BSD-2-Clause' : 'Apache-2.0';
}

/** The first line, or the second where the first names the interpreter. */
function headOf({ text }: SourceFile): string {
  const [first = '', second = ''] = text.split('\n', 2);
  return first.startsWith('#!') ? second : first;
}
