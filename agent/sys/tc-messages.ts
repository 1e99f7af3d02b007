// SPDX-License-Identifier: Apache-2.0
// What the kernel says of queueing disciplines and filters of devices (linux/rtnetlink.h, linux/pkt_sched.h).
// Pure. Used by libbpf/tc-filter.ts, for what libbpf has no function for.

import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import { DUMP, decodeAttributes, type NetlinkMessage, textOf } from './netlink-messages.ts';

const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;

/** Offsets in struct tcmsg. */
const HEADER = { size: 20, ifindex: 4, parent: 12 } as const;

const TCA_KIND = 1;

/** Where the `clsact` qdisc of a device stands, and in its place the older `ingress`: TC_H_CLSACT. */
const CLSACT = 0xfffffff1;

/** The two sets of filters of such a qdisc: TC_H_CLSACT with TC_H_MIN_INGRESS and TC_H_MIN_EGRESS. */
const FILTERS = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const;

export interface ClsactQdisc {
  readonly ifindex: number;
  /** `ingress` takes filters for egress too, and runs them on ingress. */
  readonly kind: 'clsact' | 'ingress';
}

/** Asks for every queueing discipline of the network namespace. */
export const ALL_QDISCS: NetlinkRequest = {
  type: RTM_GETQDISC,
  flags: DUMP,
  payload: new Uint8Array(HEADER.size),
};

/** Asks for the filters of a device in one direction, whoever made them. */
export function allFilters(ifindex: number, direction: keyof typeof FILTERS): NetlinkRequest {
  const payload = new Uint8Array(HEADER.size);
  const view = new DataView(payload.buffer);
  view.setInt32(HEADER.ifindex, ifindex, true);
  view.setUint32(HEADER.parent, FILTERS[direction], true);
  return { type: RTM_GETTFILTER, flags: DUMP, payload };
}

/** What a message tells of a qdisc that takes filters in both directions, or looks as if it did. */
export function clsactOf({ type, payload }: NetlinkMessage): ClsactQdisc | undefined {
  if (type !== RTM_NEWQDISC || payload.byteLength < HEADER.size) return undefined;
  if (payload.getUint32(HEADER.parent, true) !== CLSACT) return undefined;
  const kind = textOf(decodeAttributes(payload, HEADER.size).get(TCA_KIND));
  if (kind !== 'clsact' && kind !== 'ingress') return undefined;
  return { ifindex: payload.getInt32(HEADER.ifindex, true), kind };
}

export function isFilter({ type }: NetlinkMessage): boolean {
  return type === RTM_NEWTFILTER;
}
