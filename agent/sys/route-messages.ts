// SPDX-License-Identifier: Apache-2.0
// What the kernel says of routes (rtnetlink(7), linux/rtnetlink.h), as far as asked: by which devices default
// routes lead. Pure. Used by network-devices.ts.

import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import { DUMP, decodeAttributes, type NetlinkMessage, numberOf } from './netlink-messages.ts';

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

/** Offsets in struct rtmsg. */
const HEADER = { size: 12, prefixLength: 1, table: 4, type: 7 } as const;

/** RTA_* */
const OUTGOING_DEVICE = 4;
const MULTIPATH = 9;
const TABLE = 15;

/** RT_TABLE_MAIN, RTN_UNICAST */
const MAIN = 254;
const UNICAST = 1;

/** Offsets in struct rtnexthop. */
const NEXT_HOP = { size: 8, length: 0, ifindex: 4 } as const;

/** Asks for every route of the network namespace, of any family. */
export const ALL_ROUTES: NetlinkRequest = {
  type: RTM_GETROUTE,
  flags: DUMP,
  payload: new Uint8Array(HEADER.size),
};

/** The devices that a message's route leads by, when it is a default route of the main table. */
export function defaultRouteDevices({ type, payload }: NetlinkMessage): number[] {
  if (type !== RTM_NEWROUTE || payload.byteLength < HEADER.size) return [];
  if (payload.getUint8(HEADER.prefixLength) !== 0) return [];
  if (payload.getUint8(HEADER.type) !== UNICAST) return [];
  const attributes = decodeAttributes(payload, HEADER.size);
  const table = numberOf(attributes.get(TABLE)) ?? payload.getUint8(HEADER.table);
  if (table !== MAIN) return [];
  const single = numberOf(attributes.get(OUTGOING_DEVICE));
  return [...(single === undefined ? [] : [single]), ...nextHopDevices(attributes.get(MULTIPATH))];
}

function nextHopDevices(bytes: Uint8Array | undefined): number[] {
  const devices: number[] = [];
  if (!bytes) return devices;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + NEXT_HOP.size <= view.byteLength; ) {
    const length = view.getUint16(at + NEXT_HOP.length, true);
    if (length < NEXT_HOP.size) break;
    devices.push(view.getInt32(at + NEXT_HOP.ifindex, true));
    at += Math.ceil(length / 4) * 4;
  }
  return devices;
}
