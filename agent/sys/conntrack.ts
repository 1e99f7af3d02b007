// SPDX-License-Identifier: Apache-2.0
// The connection tracking of this network namespace, by ctnetlink: what others have translated is read piece by piece,
// entries are taken away and added. Used while another proxy's connections go on beside ours.

import { existsSync } from 'node:fs';
import {
  type ConntrackEntry,
  type ConntrackTuple,
  creationOf,
  DESTINATION_TRANSLATED,
  deletionOf,
  translatedEntryOf,
} from './conntrack-messages.ts';
import { EEXIST, ENOENT, KernelError } from './libbpf/kernel-error.ts';
import { NETLINK_NETFILTER, NetlinkSocket } from './libbpf/netlink-socket.ts';

/** Is there where connections are tracked, if only in another network namespace. */
const COUNT = '/proc/sys/net/netfilter/nf_conntrack_count';

/**
 * Entries whose destination is translated, by whomever. In pieces of some hundred, with whatever else there is to do in
 * between; what changes meanwhile may be missed, or come twice.
 *
 * @throws KernelError when it may not be read.
 */
export function* translatedEntries(): Generator<ConntrackEntry[], void> {
  // To ask would load the modules.
  if (!existsSync(COUNT)) return;
  const socket = NetlinkSocket.open(NETLINK_NETFILTER);
  try {
    const pieces = socket.askInPieces(DESTINATION_TRANSLATED);
    for (;;) {
      const { done, value } = pieces.next();
      if (done) {
        if (value !== 0) throw new KernelError('list tracked connections (ctnetlink)', value);
        return;
      }
      yield value.map(translatedEntryOf).filter((entry) => entry !== undefined);
    }
  } finally {
    socket.close();
  }
}

/** @returns how many are gone by it. @throws KernelError */
export function deleteEntries(entries: readonly ConntrackEntry[]): number {
  return askEach(entries.map(deletionOf), ENOENT, 'take a tracked connection away');
}

/**
 * Notes connections that no packet of which conntrack sees, so that it gives their addresses and ports to no other.
 *
 * @param timeoutSeconds until the note is forgotten.
 * @returns how many are noted by it: not those that were there. @throws KernelError
 */
export function noteConnections(tuples: readonly ConntrackTuple[], timeoutSeconds: number): number {
  const requests = tuples.map((tuple) => creationOf(tuple, timeoutSeconds));
  return askEach(requests, EEXIST, 'add a tracked connection');
}

/** @param harmless an errno that says that there was nothing to do. */
function askEach(
  requests: readonly ReturnType<typeof deletionOf>[],
  harmless: number,
  attempted: string,
): number {
  if (requests.length === 0) return 0;
  const socket = NetlinkSocket.open(NETLINK_NETFILTER);
  try {
    const outcomes = requests.map((request) => socket.ask(request));
    const refused = outcomes.find((errno) => errno !== 0 && errno !== harmless);
    if (refused !== undefined) throw new KernelError(attempted, refused);
    return outcomes.filter((errno) => errno === 0).length;
  } finally {
    socket.close();
  }
}
