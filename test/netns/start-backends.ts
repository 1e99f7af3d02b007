// SPDX-License-Identifier: Apache-2.0
// Starts echo-backends.c on a node or in a pod of it: a backend on each of its addresses.

import { once } from 'node:events';
import { type Place, spawnInside } from '../lab/spawn-inside.ts';
import { compileProgram } from './compile-program.ts';
import { TARGET_PORT } from './kube-service.ts';
import type { TestNode } from './test-node.ts';

interface BackendOptions {
  /** They also say which client they saw. */
  readonly sayWho?: boolean;
}

/**
 * It ends with its node.
 *
 * @param ports TCP and UDP each.
 * @param place where it runs; default: on the node.
 * @returns once it listens.
 */
export async function startBackends(
  node: TestNode,
  ports: readonly number[] = [TARGET_PORT],
  place: Place = node,
  { sayWho = false }: BackendOptions = {},
): Promise<void> {
  const program = await compileProgram('echo-backends.c', node.directory);
  const argv = [program, ...(sayWho ? ['--who'] : []), ...ports.map(String)];
  const child = spawnInside(place, argv, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  if (!said.includes('listening')) throw new Error(`echo-backends: ${said}`);
}
