// SPDX-License-Identifier: Apache-2.0
// UDP that only kube-proxy's rules would lead to another backend, when they are gone: entries of conntrack, and sockets
// that were connected to a Service before our programs were there. Used by kube-proxy-watch.ts.
//
// Invariant: nothing is touched that leads to a backend that serves.

import { protocolNumber } from '../model/protocol.ts';
import {
  type ForeignConnections,
  type ForeignTables,
  isAtAddress,
  pairText,
  servicePortAt,
} from '../reconcile/foreign-connections.ts';
import { cgroupIdsBelow, connectedUdp, destroyConnectedUdp } from '../sys/connected-udp.ts';
import { deleteEntries } from '../sys/conntrack.ts';
import { readNodeAddresses } from '../sys/node-addresses.ts';
import type { ConnectedUdp } from '../sys/sock-diag-messages.ts';
import type { Logger } from '../telemetry/log.ts';

const UDP = protocolNumber('UDP');

interface Surroundings {
  readonly tables: ForeignTables;
  /** Whose processes the programs serve. */
  readonly cgroup: string;
  /** A proc file system that shows the processes of the node. */
  readonly proc: string;
  readonly log: Logger;
}

/** Sockets that are connected to a Service, and not by our programs. @throws KernelError */
export function strandable({ tables, cgroup, proc }: Surroundings): ConnectedUdp[] {
  const own = new Set<string>(readNodeAddresses());
  const sockets = connectedUdp(proc, (peer) => {
    // A cache on the node may have a clusterIP for its own address, as NodeLocal DNSCache.
    const isOwn = own.has(peer.address) && isAtAddress(tables, peer, UDP);
    return !isOwn && servicePortAt(tables, peer, UDP) !== undefined;
  });
  if (sockets.length === 0) return sockets;
  const ids = cgroupIdsBelow(cgroup);
  return sockets.filter(({ cgroupId }) => ids.has(cgroupId));
}

/**
 * kube-proxy would see to it that those who send to a backend that is gone are led to another one. No rule leads them
 * any more: whoever has a connected socket is told to dial again, and then is served by our programs.
 *
 * @returns what went wrong. @throws KernelError
 */
export function leaveNoUdpBehind(
  { stale, served }: Pick<ForeignConnections, 'stale' | 'served'>,
  sockets: readonly ConnectedUdp[],
  { proc, log }: Pick<Surroundings, 'proc' | 'log'>,
): readonly string[] {
  const gone = deleteEntries(stale);
  const stranded = sockets.filter(({ local, peer }) => !served.has(pairText(local, peer)));
  const { destroyed, problems } = destroyConnectedUdp(stranded, proc);
  if (gone + destroyed > 0) {
    log.info(
      { entries: gone, sockets: destroyed },
      'UDP that kube-proxy had translated, and nobody would any more: entries removed, sockets closed',
    );
  }
  return problems;
}
