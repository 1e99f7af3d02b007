// SPDX-License-Identifier: Apache-2.0
// Every address at which this network namespace is reached, followed as they come and go. Asked for by
// nodePorts, which are served on them (semantics 1.9).

import { EnvironmentError } from '../errors.ts';
import { type IpAddress, isLoopback, isZoned } from '../model/address.ts';
import type { Logger } from '../telemetry/log.ts';
import { ALL_ADDRESSES, localAddressOf } from './address-messages.ts';
import { followNetlink } from './doorbell.ts';
import { KernelError } from './libbpf/kernel-error.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './libbpf/netlink-socket.ts';

/** Bits of RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR (linux/rtnetlink.h). */
const ADDRESS_GROUPS = 0x10 | 0x100;

/** While addresses change all the time, one of these readings meets a pause. */
const READINGS = 10;

interface WatchOptions {
  /** Called with the first list before the watch returns, and with each that differs. Must not throw. */
  readonly onChange: (addresses: readonly IpAddress[]) => void;
  readonly log: Logger;
  /** Ends the watch, which then holds nothing any more. */
  readonly signal: AbortSignal;
}

/**
 * The addresses now, each once, in order. Those of all devices, up or not, with or without carrier: they are
 * local to the kernel too. Without loopback addresses (127.0.0.0/8, ::1), which are each namespace's own, and
 * without link-local ones (fe80::/10): the same one may be on several devices, and who dials it says which.
 *
 * @throws EnvironmentError when the kernel does not tell.
 */
export function readNodeAddresses(): IpAddress[] {
  const socket = NetlinkSocket.open(NETLINK_ROUTE);
  try {
    for (let reading = 1; reading <= READINGS; reading++) {
      const addresses = readOnce(socket);
      if (addresses) return [...addresses].sort();
    }
  } finally {
    socket.close();
  }
  throw new EnvironmentError('the addresses of this node change faster than they can be read');
}

/** @returns undefined when they changed meanwhile. */
function readOnce(socket: NetlinkSocket): Set<IpAddress> | undefined {
  const addresses = new Set<IpAddress>();
  let isWhole = true;
  const outcome = socket.ask(ALL_ADDRESSES, (message) => {
    if (message.isInterrupted) isWhole = false;
    const address = localAddressOf(message);
    if (address && !isLoopback(address) && !isZoned(address)) addresses.add(address);
  });
  if (outcome !== 0) throw new KernelError('read the addresses of this node', outcome);
  return isWhole ? addresses : undefined;
}

/** Follows {@link readNodeAddresses}. What goes wrong is logged and tried again. */
export function watchNodeAddresses({ onChange, log, signal }: WatchOptions): void {
  let known: string | undefined;
  followNetlink({
    groups: ADDRESS_GROUPS,
    subject: 'addresses',
    look: () => {
      const addresses = readNodeAddresses();
      if (addresses.join() === known) return;
      known = addresses.join();
      onChange(addresses);
    },
    log,
    signal,
  });
}
