// SPDX-License-Identifier: Apache-2.0
// Every BPF header stands alone: it compiles by itself, and its guard is named after the file. Some are
// for user space as well, so the host's compiler must take them too.

import path from 'node:path';
import { CLANG_FLAGS } from '../build.ts';
import { runCommand } from '../command.ts';
import type { SourceFile } from './source-files.ts';

const HOST_HEADERS: readonly string[] = ['bpf/abi.h', 'bpf/stale-socket.h'];
const HOST_FLAGS: readonly string[] = ['-Wall', '-Wextra', '-Werror'];

/** @returns the compiler's words about each header that does not stand alone, and wrong guards. */
export async function headerProblems(files: readonly SourceFile[]): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const header of files.filter((file) => /^bpf\/[^/]+\.h$/.test(file.path))) {
    problems.push(...guardProblems(header), ...(await compileProblems(header.path, CLANG_FLAGS)));
    if (HOST_HEADERS.includes(header.path)) {
      problems.push(...(await compileProblems(header.path, HOST_FLAGS)));
    }
  }
  return problems;
}

/** @returns what is wrong with a header's include guard. */
export function guardProblems(header: SourceFile): readonly string[] {
  const guard = path
    .basename(header.path)
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_');
  const code = header.text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '').trim();
  return code.startsWith(`#ifndef ${guard}\n#define ${guard}\n`) && code.endsWith('#endif')
    ? []
    : [`${header.path}: the include guard is to be ${guard}, around everything`];
}

async function compileProblems(header: string, flags: readonly string[]): Promise<string[]> {
  // Through a file that includes it: clang warns of other things when a header is the main file.
  const input = `#include "${header}"\n`;
  const args = [...flags, '-I.', '-fsyntax-only', '-x', 'c', '-'];
  const { ok, output } = await runCommand('clang', args, { input });
  return ok ? [] : [`${header} does not compile alone (clang ${flags.join(' ')}):\n${output}`];
}
