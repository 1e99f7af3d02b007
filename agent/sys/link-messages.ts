// SPDX-License-Identifier: Apache-2.0
// What the kernel says of network devices (rtnetlink(7), linux/if_link.h). Pure. Used by network-devices.ts.

import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import {
  DUMP,
  decodeAttributes,
  encodeAttribute,
  type NetlinkMessage,
  numberOf,
  textOf,
} from './netlink-messages.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;

/** Offsets in struct ifinfomsg. */
const HEADER = { size: 16, type: 2, ifindex: 4, flags: 8 } as const;

/** IFLA_* and IFLA_INFO_* */
const NAME = 3;
const MASTER = 10;
const LINK_INFO = 18;
const INFO_KIND = 1;
const EXT_MASK = 29;
/** RTEXT_FILTER_SKIP_STATS: counters are most of what a device's message holds. */
const WITHOUT_COUNTERS = Uint8Array.of(8, 0, 0, 0);

/** IFF_* */
const UP = 0x1;
const LOOPBACK = 0x8;

/** ARPHRD_* (linux/if_arp.h) whose packets begin with an Ethernet header. */
const ETHERNET = new Set([1, 772]);
/**
 * Those whose packets begin with the IP header: PPP, RAWIP, TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE and NONE, which
 * tun and WireGuard have.
 */
const IP = new Set([512, 519, 768, 769, 776, 778, 823, 0xfffe]);

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** What kind of virtual device it is: `veth`, `vxlan`, ...; '' for others. */
  readonly kind: string;
  /** What its packets begin with; undefined when that is something else. */
  readonly framing: 'ethernet' | 'ip' | undefined;
  readonly isLoopback: boolean;
  readonly isUp: boolean;
  /** The device that this one is a part of, as a port of a bridge is; 0 for none. */
  readonly master: number;
}

/** Asks for every device of the network namespace. */
export const ALL_LINKS: NetlinkRequest = {
  type: RTM_GETLINK,
  flags: DUMP,
  payload: Uint8Array.from([
    ...new Uint8Array(HEADER.size),
    ...encodeAttribute(EXT_MASK, WITHOUT_COUNTERS),
  ]),
};

/** The device that a message tells of. */
export function linkOf({ type, payload }: NetlinkMessage): Link | undefined {
  if (type !== RTM_NEWLINK || payload.byteLength < HEADER.size) return undefined;
  const attributes = decodeAttributes(payload, HEADER.size);
  const info = attributes.get(LINK_INFO);
  const hardware = payload.getUint16(HEADER.type, true);
  const flags = payload.getUint32(HEADER.flags, true);
  return {
    ifindex: payload.getInt32(HEADER.ifindex, true),
    name: textOf(attributes.get(NAME)) ?? '',
    kind: (info && textOf(decodeAttributes(viewOf(info), 0).get(INFO_KIND))) ?? '',
    framing: ETHERNET.has(hardware) ? 'ethernet' : IP.has(hardware) ? 'ip' : undefined,
    isLoopback: (flags & LOOPBACK) !== 0,
    isUp: (flags & UP) !== 0,
    master: numberOf(attributes.get(MASTER)) ?? 0,
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
