// SPDX-License-Identifier: Apache-2.0
// Connected UDP sockets of every network namespace of the node, by SOCK_DIAG (linux/inet_diag.h). Used to find those that
// were connected to a service address before our programs were there: their peer is the service, and nothing of ours
// translates what they send.

import { closeSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import { addressOfBytes, type IpAddress, readAddress } from '../model/address.ts';
import { NETLINK_SOCK_DIAG, type NetlinkRequest, NetlinkSocket } from './libbpf/netlink-socket.ts';
import { insideNetns } from './libbpf/netns.ts';
import { namespacesInUse, openNamespaces } from './net-namespaces.ts';
import { DUMP, decodeAttributes, type NetlinkMessage, WANTS_ACK } from './netlink-messages.ts';

interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export interface ConnectedUdp {
  readonly netnsInode: number;
  /** Of the cgroup that the socket was made in. */
  readonly cgroupId: bigint;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  /** For {@link destroyConnectedUdp}. */
  readonly request: Uint8Array;
}

/** linux/sock_diag.h */
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;

const FAMILIES = [2, 10];
const UDP = 17;
/** 1 << TCP_ESTABLISHED: what a connected UDP socket is, too. */
const CONNECTED = 2;

/** Offsets in struct inet_diag_req_v2 and struct inet_diag_msg, and in the struct inet_diag_sockid of both. */
const REQUEST = { size: 56, family: 0, protocol: 1, states: 4, id: 8 } as const;
const ANSWER = { size: 72, family: 0, id: 4 } as const;
const ID = { size: 48, sourcePort: 0, peerPort: 2, source: 4, peer: 20 } as const;
/** INET_DIAG_CGROUP_ID */
const CGROUP_ID = 21;

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
          for (const { request } of byNamespace.get(inode) ?? []) {
            const errno = netlink.ask({ type: SOCK_DESTROY, flags: WANTS_ACK, payload: request });
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

function dumpOf(family: number): NetlinkRequest {
  return { type: SOCK_DIAG_BY_FAMILY, flags: DUMP, payload: requestOf(family) };
}

function requestOf(family: number): Uint8Array {
  const payload = new Uint8Array(REQUEST.size);
  const view = new DataView(payload.buffer);
  view.setUint8(REQUEST.family, family);
  view.setUint8(REQUEST.protocol, UDP);
  view.setUint32(REQUEST.states, CONNECTED, true);
  return payload;
}

function socketOf({ payload }: NetlinkMessage, netnsInode: number): ConnectedUdp | undefined {
  if (payload.byteLength < ANSWER.size) return undefined;
  const family = payload.getUint8(ANSWER.family);
  const request = requestOf(family);
  const id = new Uint8Array(payload.buffer, payload.byteOffset + ANSWER.id, ID.size);
  request.set(id, REQUEST.id);
  const cgroup = decodeAttributes(payload, ANSWER.size).get(CGROUP_ID);
  return {
    netnsInode,
    cgroupId: cgroup ? Buffer.from(cgroup).readBigUInt64LE() : 0n,
    local: { address: addressAt(payload, family, ID.source), port: portAt(payload, ID.sourcePort) },
    peer: { address: addressAt(payload, family, ID.peer), port: portAt(payload, ID.peerPort) },
    request,
  };
}

function portAt(payload: DataView, offset: number): number {
  return payload.getUint16(ANSWER.id + offset);
}

/** Of a socket of the older family the first four bytes; one of the newer may be connected to a mapped address. */
function addressAt(payload: DataView, family: number, offset: number): IpAddress {
  const at = ANSWER.id + offset;
  if (family !== FAMILIES[0]) return readAddress(payload, at);
  const bytes = new Uint8Array(payload.buffer, payload.byteOffset + at, 4);
  return addressOfBytes(bytes) as IpAddress;
}
