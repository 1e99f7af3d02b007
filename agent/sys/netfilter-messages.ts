// SPDX-License-Identifier: Apache-2.0
// What all netlink messages of netfilter have in common (linux/netfilter/nfnetlink.h): a small header, numbers in
// network order. Pure. Used by conntrack-messages.ts and nf-tables.ts.

import type { IpFamily } from '../model/address.ts';
import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import { encodeAttribute } from './netlink-messages.ts';

/** struct nfgenmsg: family, version, resource. */
export const NETFILTER_HEADER_SIZE = 4;

/** NFNL_SUBSYS_* */
export type NetfilterSubsystem = 'conntrack' | 'tables';
const SUBSYSTEMS: Readonly<Record<NetfilterSubsystem, number>> = { conntrack: 1, tables: 10 };

/** NLA_F_NESTED */
const NESTED = 0x8000;

/** AF_*: what a table or an entry is for. */
export const ANY_FAMILY = 0;
export type NetfilterFamily = 'ip' | 'ip6';
const FAMILIES: Readonly<Record<NetfilterFamily, number>> = { ip: 2, ip6: 10 };
export const NETFILTER_FAMILIES: readonly NetfilterFamily[] = ['ip', 'ip6'];

/** What the tables of a family are called. */
export function tableFamily(family: IpFamily): NetfilterFamily {
  return family === 'IPv4' ? 'ip' : 'ip6';
}

/** The number by which the kernel knows a message of a subsystem. */
export function netfilterType(subsystem: NetfilterSubsystem, message: number): number {
  return (SUBSYSTEMS[subsystem] << 8) | message;
}

export function familyNumber(family: NetfilterFamily): number {
  return FAMILIES[family];
}

/** @param attributes padded, as {@link encodeAttribute} makes them. */
export function netfilterRequest(
  type: number,
  flags: number,
  family: number,
  ...attributes: readonly Uint8Array[]
): NetlinkRequest {
  return { type, flags, payload: Buffer.concat([Uint8Array.of(family, 0, 0, 0), ...attributes]) };
}

/** An attribute that consists of others. */
export function nestedAttribute(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return encodeAttribute(type | NESTED, Buffer.concat(attributes));
}

export function textAttribute(type: number, text: string): Uint8Array {
  return encodeAttribute(type, Buffer.from(`${text}\0`));
}

/** A number of `size` bytes in network order. */
export function numberAttribute(type: number, value: number, size: 1 | 2 | 4): Uint8Array {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return encodeAttribute(type, bytes);
}

/** Inverse of {@link numberAttribute}; 0 for what is not there. */
export function bigEndian(value: Uint8Array | undefined): number {
  return value?.reduce((number, byte) => number * 256 + byte, 0) ?? 0;
}

/** The attributes in an attribute, as a payload to be decoded from its start. */
export function viewOfAttribute(value: Uint8Array | undefined): DataView {
  return value
    ? new DataView(value.buffer, value.byteOffset, value.byteLength)
    : new DataView(new ArrayBuffer(0));
}
