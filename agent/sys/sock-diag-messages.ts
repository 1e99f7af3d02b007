// SPDX-License-Identifier: Apache-2.0
// What the kernel says of UDP sockets that are connected (sock_diag(7), linux/inet_diag.h), and how it is asked to end
// one. Pure. Used by connected-udp.ts.

import { addressOfBytes, type IpAddress, readAddress } from '../model/address.ts';
import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import { DUMP, decodeAttributes, type NetlinkMessage, WANTS_ACK } from './netlink-messages.ts';

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export interface ConnectedUdp {
  readonly netnsInode: number;
  /** Of the cgroup that the socket was made in. */
  readonly cgroupId: bigint;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  /** For {@link destructionOf}. */
  readonly request: Uint8Array;
}

/** linux/sock_diag.h */
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;

/** AF_INET, AF_INET6 */
export const FAMILIES = [2, 10];
const UDP = 17;
/** 1 << TCP_ESTABLISHED: what a connected UDP socket is, too. */
const CONNECTED = 2;

/** Offsets in struct inet_diag_req_v2 and struct inet_diag_msg, and in the struct inet_diag_sockid of both. */
const REQUEST = { size: 56, family: 0, protocol: 1, states: 4, id: 8 } as const;
const ANSWER = { size: 72, family: 0, id: 4 } as const;
const ID = { size: 48, sourcePort: 0, peerPort: 2, source: 4, peer: 20 } as const;
/** INET_DIAG_CGROUP_ID, of 64 bits */
const CGROUP_ID = 21;
const CGROUP_ID_SIZE = 8;

/** Asks for all that are connected. */
export function dumpOf(family: number): NetlinkRequest {
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

/** Has a socket ended: its owner gets ECONNABORTED, and dials again. */
export function destructionOf({ request }: ConnectedUdp): NetlinkRequest {
  return { type: SOCK_DESTROY, flags: WANTS_ACK, payload: request };
}

/** @returns undefined for a message that tells of no socket. */
export function socketOf(
  { type, payload }: NetlinkMessage,
  netnsInode: number,
): ConnectedUdp | undefined {
  if (type !== SOCK_DIAG_BY_FAMILY || payload.byteLength < ANSWER.size) return undefined;
  const family = payload.getUint8(ANSWER.family);
  const request = requestOf(family);
  const id = new Uint8Array(payload.buffer, payload.byteOffset + ANSWER.id, ID.size);
  request.set(id, REQUEST.id);
  const cgroup = decodeAttributes(payload, ANSWER.size).get(CGROUP_ID);
  return {
    netnsInode,
    cgroupId: cgroup?.length === CGROUP_ID_SIZE ? Buffer.from(cgroup).readBigUInt64LE() : 0n,
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
