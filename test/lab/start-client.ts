// SPDX-License-Identifier: Apache-2.0
// Somebody who uses Services from a place that is no pod: a node's host network, or outside of the cluster.

import { fileURLToPath } from 'node:url';
import type { ClientMethods } from './apps/client.ts';
import { Remote } from './rpc.ts';
import { type Place, spawnInside } from './spawn-inside.ts';

const PROGRAM = fileURLToPath(new URL('apps/client.ts', import.meta.url));

/** Starts what image `client` runs in pods; it ends with this process or with the place's cgroup. */
export function startClient(place: Place): Remote<ClientMethods> {
  const child = spawnInside(place, [process.execPath, PROGRAM], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Remote(child);
}
