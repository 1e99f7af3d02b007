// SPDX-License-Identifier: Apache-2.0
// Another build of the agent, as an upgrade or a roll-back meets it: this tree's, with edits of the programs or of their
// layouts, compiled in a directory of its own. Needs clang.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '../..');

/** What is in agent/sys/layout.gen.ts is made of what was just compiled, as scripts/generate.ts does. */
const BUILD = `
  import { writeFileSync } from 'node:fs';
  import { buildBpf } from './scripts/build.ts';
  import { Btf } from './scripts/layout/btf.ts';
  import { emitLayout } from './scripts/layout/emit.ts';
  writeFileSync('agent/sys/layout.gen.ts', emitLayout(...buildBpf().map(Btf.ofObject)));
`;

/** In a file below bpf/, one text in place of another that is there once. */
export type Edit = readonly [file: string, text: string, replacement: string];

/**
 * @param directory where it is made; gone with it.
 * @returns its main.ts, for {@link TestAgent.main}.
 */
export function otherBuild(directory: string, name: string, edits: readonly Edit[]): string {
  const tree = path.join(directory, name);
  mkdirSync(tree, { recursive: true });
  for (const part of ['agent', 'bpf', 'scripts', 'package.json'])
    cpSync(path.join(ROOT, part), path.join(tree, part), { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(tree, 'node_modules'));
  for (const [file, text, replacement] of edits)
    edit(path.join(tree, 'bpf', file), text, replacement);
  execFileSync(process.execPath, ['--input-type=module', '-e', BUILD], { cwd: tree });
  return path.join(tree, 'agent/main.ts');
}

function edit(file: string, text: string, replacement: string): void {
  const parts = readFileSync(file, 'utf8').split(text);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${text}`);
  writeFileSync(file, parts.join(replacement));
}

/** Fields before others, among them and behind them, in whatever is carried or filled anew. */
export const OTHER_LAYOUTS: readonly Edit[] = [
  ['abi.h', 'struct flow_value {\n', 'struct flow_value {\n\t__u64 pad;\n'],
  ['abi.h', 'struct udp_backend {\n', 'struct udp_backend {\n\t__u64 pad;\n'],
  ['abi.h', 'struct frontend_value {\n', 'struct frontend_value {\n\t__u32 pad;\n'],
  ['abi.h', 'struct node {\n', 'struct node {\n\t__u64 pad;\n'],
  [
    'abi.h',
    'struct affinity_value {\n\t__u64 last_used_ns; /* CLOCK_MONOTONIC */\n\tstruct ip_port backend;\n\t__u32 pad;\n',
    'struct affinity_value {\n\tstruct ip_port backend;\n\t__u32 pad;\n\t__u64 last_used_ns;\n',
  ],
];

/** The same tables, other programs. */
export const OTHER_PROGRAMS: readonly Edit[] = [
  ['service.bpf.h', '#define FRONTEND_READINGS 4', '#define FRONTEND_READINGS 5'],
];

/** No kernel takes a program that reads behind what it is given. */
const REFUSED = 'asm volatile("r0 = *(u64 *)(r1 + 4096)" ::: "r0");';

export const REFUSED_PACKET_PATH: readonly Edit[] = [
  [
    'tc.bpf.c',
    '\tstruct packet packet = {};\n\t__be16 last_port = 0;\n',
    `\tstruct packet packet = {};\n\t__be16 last_port = 0;\n\t${REFUSED}\n`,
  ],
];

export const REFUSED_SOCKETS: readonly Edit[] = [
  [
    'sock.bpf.c',
    'int connect4(struct bpf_sock_addr *ctx)\n{\n',
    `int connect4(struct bpf_sock_addr *ctx)\n{\n\t${REFUSED}\n`,
  ],
];
