// SPDX-License-Identifier: Apache-2.0
// What the kernel says of the addresses of devices (rtnetlink(7), linux/if_addr.h). Pure. Used by node-addresses.ts
// and network-devices.ts.

import { addressOfBytes, type IpAddress } from '../model/address.ts';
import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import { DUMP, decodeAttributes, type NetlinkMessage, numberOf } from './netlink-messages.ts';

const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;

/** enum rt_scope_t */
const RT_SCOPE_UNIVERSE = 0;

/** Offsets in struct ifaddrmsg. */
const ADDRESS_HEADER = { size: 8, prefixLength: 1, flags: 2, scope: 3, ifindex: 4 } as const;

/** The device's address; it is missing where it is the same as the other end's. */
const IFA_LOCAL = 2;
/** The other end of a point-to-point device, else the device's address. */
const IFA_ADDRESS = 1;

/** All the flags; those in the header are the first eight. */
const IFA_FLAGS = 8;

/** IFA_F_*, of IPv4: not the device's first in its prefix; of IPv6: one that is soon replaced (RFC 8981). */
const SECONDARY = 0x01;
/** Somebody else has it. */
const DAD_FAILED = 0x08;
/** Not for new connections. */
const DEPRECATED = 0x20;
/** IFA_F_*: not known yet to be nobody else's (RFC 4862), or known to be somebody else's. */
const TENTATIVE = 0x40;
/** In use before that is known (RFC 4429). */
const OPTIMISTIC = 0x04;

/** Asks for every address of the network namespace, of any family. */
export const ALL_ADDRESSES: NetlinkRequest = {
  type: RTM_GETADDR,
  flags: DUMP,
  payload: new Uint8Array(ADDRESS_HEADER.size),
};

/**
 * The address that a message tells of, when packets to it are for this host. A tentative one is not local
 * yet: the kernel sends what is for it to the network, as long as it waits for others to claim it, or for a
 * carrier to ask them (observed on 6.18).
 *
 * @returns undefined for such an address, and for a message that is not about an IP address.
 */
export function localAddressOf(message: NetlinkMessage): IpAddress | undefined {
  const address = addressOf(message);
  if (address === undefined) return undefined;
  return isUnconfirmed(message.payload.getUint8(ADDRESS_HEADER.flags)) ? undefined : address;
}

/** An address of a device. */
export interface DeviceAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Whether it means the same everywhere (RT_SCOPE_UNIVERSE), as far as the device was told. */
  readonly isGlobal: boolean;
  /** Whether new connections may come from it. */
  readonly isPreferred: boolean;
}

/** The address that a message tells of, with its device. @returns undefined for a message about no IP address. */
export function deviceAddressOf(
  message: NetlinkMessage,
): (DeviceAddress & { readonly ifindex: number }) | undefined {
  const address = addressOf(message);
  if (address === undefined) return undefined;
  const { payload } = message;
  const flags =
    numberOf(decodeAttributes(payload, ADDRESS_HEADER.size).get(IFA_FLAGS)) ??
    payload.getUint8(ADDRESS_HEADER.flags);
  return {
    ifindex: payload.getUint32(ADDRESS_HEADER.ifindex, true),
    address,
    prefixLength: payload.getUint8(ADDRESS_HEADER.prefixLength),
    isGlobal: payload.getUint8(ADDRESS_HEADER.scope) === RT_SCOPE_UNIVERSE,
    isPreferred: (flags & (SECONDARY | DAD_FAILED | DEPRECATED)) === 0 && !isUnconfirmed(flags),
  };
}

function addressOf({ type, payload }: NetlinkMessage): IpAddress | undefined {
  if (type !== RTM_NEWADDR || payload.byteLength < ADDRESS_HEADER.size) return undefined;
  const attributes = decodeAttributes(payload, ADDRESS_HEADER.size);
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  return bytes && addressOfBytes(bytes);
}

function isUnconfirmed(flags: number): boolean {
  return (flags & TENTATIVE) !== 0 && (flags & OPTIMISTIC) === 0;
}
