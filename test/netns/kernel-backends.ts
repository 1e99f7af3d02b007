// SPDX-License-Identifier: Apache-2.0
// What a node's kernel would do with a new connection, read from the pinned tables.

import { frontendViews } from '../../agent/commands/kernel-view.ts';
import { formatEndpoint } from '../../agent/model/address.ts';
import { type Backend, frontendKey } from '../../agent/model/service-port.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { until } from '../lab/until.ts';
import type { TestNode } from './test-node.ts';

interface KernelFrontend {
  /** As `10.244.1.1:8080`, in order. */
  readonly backends: readonly string[];
  /** Those that a socket may go on using, in order; empty for TCP. */
  readonly members: readonly string[];
}

/** Every frontend, by its key: `10.96.0.1:80/TCP`. */
export function kernelFrontends(node: TestNode): Map<string, KernelFrontend> {
  const tables = openTables(new Pins(node.bpffs));
  try {
    const members = Map.groupBy(tables.members.entries(), ([{ servicePortId }]) => servicePortId);
    return new Map(
      frontendViews(tables).map(({ frontend, servicePortId, backends }) => [
        frontendKey(frontend),
        {
          backends: names(backends),
          members: names((members.get(servicePortId) ?? []).map(([{ backend }]) => backend)),
        },
      ]),
    );
  } finally {
    tables.close();
  }
}

/**
 * Waits until `frontend` leads to just these backends; undefined: until it is gone. The Service is then
 * programmed completely, if it has addresses of one family.
 */
export async function programmed(
  node: TestNode,
  frontend: string,
  backends: readonly string[] | undefined,
): Promise<void> {
  const wanted = backends && [...backends].sort().join();
  await until(`${frontend} leads to ${wanted ?? 'nowhere'}`, () => {
    const held = kernelFrontends(node).get(frontend);
    const isRemembered = frontend.endsWith('/UDP') && backends !== undefined;
    return held?.backends.join() === wanted && (!isRemembered || held?.members.join() === wanted);
  });
}

function names(backends: readonly Backend[]): string[] {
  return backends.map(({ address, port }) => formatEndpoint(address, port)).sort();
}
