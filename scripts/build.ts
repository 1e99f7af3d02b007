#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Compiles bpf/*.bpf.c and links each into the object that the agent loads, bpf/build/<name>.o.
// clang compiles; libbpf's linker (bpftool gen object) fixes the offsets that clang leaves open and
// drops the debug information that only a debugger reads.

import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = path.join(import.meta.dirname, '..');
const BUILD = path.join(ROOT, 'bpf/build');

/** Where Debian and Ubuntu keep asm/ headers: clang's bpf target does not look there by itself. */
const MULTIARCH: Partial<Record<NodeJS.Architecture, string>> = {
  x64: '/usr/include/x86_64-linux-gnu',
  arm64: '/usr/include/aarch64-linux-gnu',
};

/** What every compilation of BPF C is called with. */
export const CLANG_FLAGS: readonly string[] = [
  '-target',
  'bpf',
  '-mcpu=v3',
  '-O2',
  '-g',
  '-Wall',
  '-Wextra',
  '-Werror',
  `-I${MULTIARCH[process.arch] ?? '/usr/include'}`,
];

/** Builds every object. @returns their paths, sorted. @throws with the compiler's own output on standard error. */
export function buildBpf(): string[] {
  mkdirSync(BUILD, { recursive: true });
  const sources = globSync('bpf/*.bpf.c', { cwd: ROOT }).sort();
  return sources.map((source) => {
    const name = path.basename(source, '.bpf.c');
    const compiled = path.join(BUILD, `${name}.bpf.o`);
    const linked = path.join(BUILD, `${name}.o`);
    run('clang', [...CLANG_FLAGS, '-c', path.join(ROOT, source), '-o', compiled]);
    run('bpftool', ['gen', 'object', linked, compiled]);
    return linked;
  });
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
  if (values.help) console.log('Usage: npm run build\n\nCompiles bpf/*.bpf.c into bpf/build/*.o.');
  else for (const object of buildBpf()) console.log(path.relative(process.cwd(), object));
}
