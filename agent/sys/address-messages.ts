// SPDX-License-Identifier: Apache-2.0
// What the kernel says of the addresses of devices (rtnetlink(7), linux/if_addr.h). Pure. Used by node-addresses.ts.

import { addressOfBytes, type IpAddress } from '../model/address.ts';
import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import { DUMP, decodeAttributes, type NetlinkMessage } from './netlink-messages.ts';

const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;

/** Offsets in struct ifaddrmsg. */
const ADDRESS_HEADER = { size: 8, flags: 2 } as const;

/** The device's address; it is missing where it is the same as the other end's. */
const IFA_LOCAL = 2;
/** The other end of a point-to-point device, else the device's address. */
const IFA_ADDRESS = 1;

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
export function localAddressOf({ type, payload }: NetlinkMessage): IpAddress | undefined {
  if (type !== RTM_NEWADDR || payload.byteLength < ADDRESS_HEADER.size) return undefined;
  const flags = payload.getUint8(ADDRESS_HEADER.flags);
  if ((flags & TENTATIVE) !== 0 && (flags & OPTIMISTIC) === 0) return undefined;
  const attributes = decodeAttributes(payload, ADDRESS_HEADER.size);
  const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
  return bytes && addressOfBytes(bytes);
}
