// SPDX-License-Identifier: Apache-2.0
// The network devices of this network namespace, with their addresses and whether a default route leads by
// them, read from the kernel and followed. Asked for by the packet path, whose programs are attached to some.

import { EnvironmentError } from '../errors.ts';
import { ALL_ADDRESSES, type DeviceAddress, deviceAddressOf } from './address-messages.ts';
import { KernelError } from './libbpf/kernel-error.ts';
import { NETLINK_ROUTE, type NetlinkRequest, NetlinkSocket } from './libbpf/netlink-socket.ts';
import { ALL_LINKS, type Link, linkOf } from './link-messages.ts';
import type { NetlinkMessage } from './netlink-messages.ts';
import { ALL_ROUTES, defaultRouteDevices } from './route-messages.ts';

/**
 * Bits of RTNLGRP_LINK, _TC, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR and _IPV6_ROUTE (linux/rtnetlink.h): all that
 * tells of changes to what is read here, and of somebody who takes programs off.
 */
export const DEVICE_GROUPS = 0x1 | 0x8 | 0x10 | 0x40 | 0x100 | 0x400;

/** While something changes all the time, one of these readings meets a pause. */
const READINGS = 10;

export interface NetworkDevice extends Link {
  /** In the kernel's order, which is the one in which it takes them as sources. */
  readonly addresses: readonly DeviceAddress[];
  /** Whether a default route of the main table leads by it, of either family. */
  readonly hasDefaultRoute: boolean;
}

/** The devices now, by ifindex. @throws EnvironmentError when the kernel does not tell. */
export function readNetworkDevices(): NetworkDevice[] {
  const socket = NetlinkSocket.open(NETLINK_ROUTE);
  try {
    const links = collect(socket, 'the devices', ALL_LINKS, (message) => linkOf(message) ?? []);
    const addresses = Map.groupBy(
      collect(socket, 'the addresses', ALL_ADDRESSES, (message) => deviceAddressOf(message) ?? []),
      ({ ifindex }) => ifindex,
    );
    const routed = new Set(collect(socket, 'the routes', ALL_ROUTES, defaultRouteDevices));
    return links
      .sort((a, b) => a.ifindex - b.ifindex)
      .map((link) => ({
        ...link,
        addresses: addresses.get(link.ifindex) ?? [],
        hasDefaultRoute: routed.has(link.ifindex),
      }));
  } finally {
    socket.close();
  }
}

function collect<T>(
  socket: NetlinkSocket,
  what: string,
  request: NetlinkRequest,
  read: (message: NetlinkMessage) => T | T[],
): T[] {
  for (let reading = 1; reading <= READINGS; reading++) {
    const found: T[] = [];
    let isWhole = true;
    const outcome = socket.ask(request, (message) => {
      if (message.isInterrupted) isWhole = false;
      found.push(...([read(message)].flat() as T[]));
    });
    if (outcome !== 0) throw new KernelError(`read ${what} of this node`, outcome);
    if (isWhole) return found;
  }
  throw new EnvironmentError(`${what} of this node change faster than they can be read`);
}
