// SPDX-License-Identifier: Apache-2.0
// Which programs the devices of a node have, as the kernel says, and somebody else's programs for them.

import path from 'node:path';
import { CLANG_FLAGS } from '../../scripts/build.ts';
import { BPFFS } from '../lab/bpf-filesystem.ts';
import { runCommand } from '../lab/run-command.ts';
import { compileProgram } from './compile-program.ts';
import type { TestNode } from './test-node.ts';

export interface OnDevice {
  /** Programs by TCX, in the order in which they run. */
  readonly tcx: { readonly ingress: readonly string[]; readonly egress: readonly string[] };
  /** Programs in filters. */
  readonly clsact: { readonly ingress: readonly string[]; readonly egress: readonly string[] };
}

/** Ids in place of names. */
export interface IdsOnDevice {
  readonly tcx: { readonly ingress: readonly number[]; readonly egress: readonly number[] };
  readonly clsact: { readonly ingress: readonly number[]; readonly egress: readonly number[] };
}

export async function programIdsOn(node: TestNode, device: string): Promise<IdsOnDevice> {
  const tcx = await compileProgram('tcx.c', node.directory);
  return {
    tcx: JSON.parse(await output(node, [tcx, 'query', device])),
    clsact: {
      ingress: await filterIds(node, device, 'ingress'),
      egress: await filterIds(node, device, 'egress'),
    },
  };
}

/** Names of the programs on a device. */
export async function programsOn(node: TestNode, device: string): Promise<OnDevice> {
  const { tcx, clsact } = await programIdsOn(node, device);
  const named = async (ids: readonly number[]) => await Promise.all(ids.map(nameOf));
  return {
    tcx: { ingress: await named(tcx.ingress), egress: await named(tcx.egress) },
    clsact: { ingress: await named(clsact.ingress), egress: await named(clsact.egress) },
  };
}

/** Loads pass.bpf.c. @returns where it is pinned, in the node's own part of the file system. */
export async function pinForeign(node: TestNode): Promise<string> {
  const source = path.join(import.meta.dirname, 'pass.bpf.c');
  const object = path.join(node.directory, 'pass.o');
  const pin = path.join(BPFFS, `${node.namespace}-pass`);
  await runCommand(['clang', ...CLANG_FLAGS, '-c', source, '-o', object]);
  await runCommand(['bpftool', 'prog', 'load', object, pin, 'type', 'classifier']);
  return pin;
}

/** Puts the program pinned at `pin` on ingress of a device by TCX; it stays for as long as the device. */
export async function attachForeign(node: TestNode, device: string, pin: string): Promise<void> {
  const tcx = await compileProgram('tcx.c', node.directory);
  await output(node, [tcx, 'attach', device, pin]);
}

export async function output(node: TestNode, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await node.run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
}

async function filterIds(node: TestNode, device: string, direction: string): Promise<number[]> {
  const text = await output(node, ['tc', '-j', 'filter', 'show', 'dev', device, direction]);
  const filters = JSON.parse(text.trim() || '[]') as {
    options?: { prog?: { id: number } };
  }[];
  return filters.flatMap(({ options }) => options?.prog?.id ?? []);
}

async function nameOf(id: number): Promise<string> {
  const text = await runCommand(['bpftool', '-j', 'prog', 'show', 'id', String(id)]);
  return (JSON.parse(text) as { name: string }).name;
}
