// SPDX-License-Identifier: Apache-2.0
// Service ports whose clients meet silence on this node: their traffic policy is Local, and all their endpoints are on
// other nodes. Read off the tables; pure.

import { familyOf, type IpFamily } from '../model/address.ts';
import { FrontendFlags, FrontendKind } from '../sys/layout.gen.ts';
import type { ActualTables, FrontendEntry } from './actual-tables.ts';

export interface WithoutLocalEndpoints {
  /** Which of the two policies: internalTrafficPolicy or externalTrafficPolicy. */
  readonly policy: 'internal' | 'external';
  readonly family: IpFamily;
  readonly servicePorts: number;
}

const INTERNAL = FrontendFlags.LOCAL_INSIDE | FrontendFlags.DROPS_INSIDE;
const EXTERNAL = FrontendFlags.LOCAL_OUTSIDE | FrontendFlags.DROPS_OUTSIDE;

/** One entry for each policy and family. */
export function withoutLocalEndpoints({
  frontends,
}: Pick<ActualTables, 'frontends'>): WithoutLocalEndpoints[] {
  const ids = { internal: familySets(), external: familySets() };
  for (const entry of frontends.values()) {
    const policy = silentPolicy(entry);
    if (policy) ids[policy][familyOf(entry.frontend.address)].add(entry.servicePortId);
  }
  return (['internal', 'external'] as const).flatMap((policy) =>
    (['IPv4', 'IPv6'] as const).map((family) => ({
      policy,
      family,
      servicePorts: ids[policy][family].size,
    })),
  );
}

function silentPolicy({ kind, flags }: FrontendEntry): WithoutLocalEndpoints['policy'] | undefined {
  if (kind === FrontendKind.CLUSTER_IP) return has(flags, INTERNAL) ? 'internal' : undefined;
  return has(flags, EXTERNAL) ? 'external' : undefined;
}

function has(flags: FrontendFlags, all: number): boolean {
  return (flags & all) === all;
}

function familySets(): Record<IpFamily, Set<number>> {
  return { IPv4: new Set(), IPv6: new Set() };
}
