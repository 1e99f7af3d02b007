// SPDX-License-Identifier: Apache-2.0
// What a node's kernel would do with a new connection, read from the pinned tables.

import { frontendViews } from '../../agent/commands/kernel-view.ts';
import { formatEndpoint } from '../../agent/model/address.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { until } from '../lab/until.ts';
import type { TestNode } from './test-node.ts';

/** Every frontend, as `10.96.0.1:80/TCP`, with its backends as `10.244.1.1:8080`, in order. */
export function kernelBackends(node: TestNode): Map<string, string[]> {
  const tables = openTables(new Pins(node.bpffs));
  try {
    return new Map(
      frontendViews(tables).map(({ frontend, backends }) => [
        `${formatEndpoint(frontend.address, frontend.port)}/${frontend.protocol}`,
        backends.map(({ address, port }) => formatEndpoint(address, port)).sort(),
      ]),
    );
  } finally {
    tables.close();
  }
}

/** Waits until `frontend` leads to `backends`, to none when that is empty; undefined: until it is gone. */
export async function programmed(
  node: TestNode,
  frontend: string,
  backends: readonly string[] | undefined,
): Promise<void> {
  const wanted = backends && [...backends].sort().join();
  await until(`${frontend} leads to ${wanted ?? 'nowhere'}`, () => {
    return kernelBackends(node).get(frontend)?.join() === wanted;
  });
}
