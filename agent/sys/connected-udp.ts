// SPDX-License-Identifier: Apache-2.0
// Connected UDP sockets of every network namespace of the node, by SOCK_DIAG. Used to find those that
// were connected to a service address before our programs were there: their peer is the service, and nothing of ours
// translates what they send.

import { closeSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import { NETLINK_SOCK_DIAG, NetlinkSocket } from './libbpf/netlink-socket.ts';
import { insideNetns } from './libbpf/netns.ts';
import { namespacesInUse, openNamespaces } from './net-namespaces.ts';
import {
  type ConnectedUdp,
  destructionOf,
  dumpOf,
  type Endpoint,
  FAMILIES,
  socketOf,
} from './sock-diag-messages.ts';

/**
 * @param procDirectory a proc file system in which the node's processes are.
 * @returns sockets that are connected to a wanted peer. @throws KernelError when a namespace cannot be entered.
 */
export function connectedUdp(
  procDirectory: string,
  isWanted: (peer: Endpoint) => boolean,
): ConnectedUdp[] {
  const sockets: ConnectedUdp[] = [];
  const namespaces = openNamespaces(namespacesInUse(procDirectory), procDirectory);
  try {
    for (const [netnsInode, descriptor] of namespaces) {
      const netlink = insideNetns(descriptor, () => NetlinkSocket.open(NETLINK_SOCK_DIAG));
      try {
        for (const family of FAMILIES) {
          netlink.ask(dumpOf(family), (message) => {
            const socket = socketOf(message, netnsInode);
            if (socket && isWanted(socket.peer)) sockets.push(socket);
          });
        }
      } finally {
        netlink.close();
      }
    }
  } finally {
    for (const descriptor of namespaces.values()) closeSync(descriptor);
  }
  return sockets;
}

/** Their owners get ECONNABORTED, and dial again. @returns how many are gone by it, and what went wrong. */
export function destroyConnectedUdp(
  sockets: readonly ConnectedUdp[],
  procDirectory: string,
): { readonly destroyed: number; readonly problems: readonly string[] } {
  const byNamespace = Map.groupBy(sockets, ({ netnsInode }) => netnsInode);
  const namespaces = openNamespaces(new Set(byNamespace.keys()), procDirectory);
  const problems = new Set<string>();
  let destroyed = 0;
  try {
    for (const [inode, descriptor] of namespaces) {
      try {
        const netlink = insideNetns(descriptor, () => NetlinkSocket.open(NETLINK_SOCK_DIAG));
        try {
          for (const socket of byNamespace.get(inode) ?? []) {
            const errno = netlink.ask(destructionOf(socket));
            if (errno === 0) destroyed++;
          }
        } finally {
          netlink.close();
        }
      } catch (error) {
        problems.add(messageOf(error));
      }
    }
  } finally {
    for (const descriptor of namespaces.values()) closeSync(descriptor);
  }
  return { destroyed, problems: [...problems] };
}

/** A cgroup and all below it, as sockets know them. */
export function cgroupIdsBelow(directory: string): Set<bigint> {
  const ids = new Set<bigint>();
  const visit = (at: string) => {
    try {
      ids.add(statSync(at, { bigint: true }).ino);
      for (const entry of readdirSync(at, { withFileTypes: true })) {
        if (entry.isDirectory()) visit(path.join(at, entry.name));
      }
    } catch {
      // It has gone meanwhile, and with it its processes.
    }
  };
  visit(directory);
  return ids;
}
