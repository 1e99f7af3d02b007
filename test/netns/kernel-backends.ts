// SPDX-License-Identifier: Apache-2.0
// What a node's kernel would do with a new connection, read from the pinned tables.

import { familyOf, formatEndpoint } from '../../agent/model/address.ts';
import { type Backend, type Frontend, frontendKey } from '../../agent/model/service-port.ts';
import { frontendOf } from '../../agent/reconcile/entries.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { FrontendFlags, MemberFlags, type SlotRun } from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { until } from '../lab/until.ts';
import type { TestNode } from './test-node.ts';

export interface KernelFrontend {
  /** For clients inside the cluster, as `10.244.1.1:8080`, in order. */
  readonly backends: readonly string[];
  /** Those that a remembered choice may be used for again, in order; where none is remembered, all. */
  readonly members: readonly string[];
  readonly run: SlotRun;
}

/** Every frontend, by its key: `10.96.0.1:80/TCP`. */
export function kernelFrontends(node: TestNode): Map<string, KernelFrontend> {
  const tables = openTables(new Pins(node.bpffs));
  try {
    // In this order: a run is left alone for a second after its frontend has left it.
    const frontends = tables.frontends.entries();
    const slots = tables.slots.read();
    const ofPort = Map.groupBy(tables.members.entries(), ([{ servicePortId }]) => servicePortId);
    return new Map(
      frontends.map(([key, { servicePortId, inside: run, flags }]) => {
        const list =
          flags & FrontendFlags.LOCAL_INSIDE ? MemberFlags.IN_LOCAL : MemberFlags.IN_CLUSTER;
        const eligible = (ofPort.get(servicePortId) ?? []).filter(
          ([{ backend }, member]) =>
            member.flags & list && familyOf(backend.address) === familyOf(key.address),
        );
        const backends = names(slots.slice(run.first, run.first + run.count));
        const forgets = (flags & FrontendFlags.FORGETS) !== 0;
        const members = forgets ? backends : names(eligible.map(([{ backend }]) => backend));
        return [frontendKey(frontendOf(key) as Frontend), { backends, members, run }];
      }),
    );
  } finally {
    tables.close();
  }
}

/**
 * Waits until `frontend` leads to just these backends; undefined: until it is gone. All of the frontend is
 * then programmed, and what is remembered of it.
 */
export async function programmed(
  node: TestNode,
  frontend: string,
  backends: readonly string[] | undefined,
): Promise<void> {
  const wanted = backends && [...backends].sort().join();
  await until(`${frontend} leads to ${wanted ?? 'nowhere'}`, () => {
    const held = kernelFrontends(node).get(frontend);
    if (held?.backends.join() !== wanted) return false;
    return wanted === undefined || held?.members.join() === wanted;
  });
}

function names(backends: readonly Backend[]): string[] {
  return backends.map(({ address, port }) => formatEndpoint(address, port)).sort();
}
