// SPDX-License-Identifier: Apache-2.0
// Runs what is in the tree of an image, with just the privileges that the DaemonSet asks for.

import path from 'node:path';
import { run } from '../command.ts';
import { DAEMON_SET } from '../deploy/daemon-set.ts';

/** @returns what was seen, in words. @throws Error with the agent's log when it does not serve. */
export async function checkTree(root: string): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error('--check needs root: sudo scripts/image --check');
  const capabilities = agentCapabilities().map((name) => `+${name.toLowerCase()}`);
  return run(path.join(import.meta.dirname, 'check'), [path.resolve(root), capabilities.join()]);
}

/** Of the agent, as the DaemonSet names them: NET_ADMIN. */
export function agentCapabilities(): readonly string[] {
  return DAEMON_SET.spec.template.spec.containers.flatMap(
    ({ securityContext }) => (securityContext.capabilities.value as { add: string[] }).add,
  );
}
