// SPDX-License-Identifier: Apache-2.0
// Starts backends on a node or in a pod of it, on each of its addresses: echo-backends.c, or late-backend.ts.

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
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
  await startInside(place, argv);
}

/** One that answers datagrams late. It ends with its node. @returns once it listens. */
export async function startLateBackend(place: Place, port: number, lateMs: number): Promise<void> {
  const program = fileURLToPath(new URL('late-backend.ts', import.meta.url));
  await startInside(place, [process.execPath, program, `${port}`, `${lateMs}`]);
}

async function startInside(place: Place, argv: readonly string[]): Promise<void> {
  const child = spawnInside(place, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  if (!said.includes('listening')) throw new Error(`${argv.join(' ')}: ${said}`);
}
