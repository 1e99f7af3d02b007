// SPDX-License-Identifier: Apache-2.0
// IP addresses. The only TypeScript file that knows IPv4 from IPv6: everywhere else an address is
// an opaque, canonical text, and in the kernel's tables it is 16 bytes, IPv4 as ::ffff:a.b.c.d.

import ipaddr from 'ipaddr.js';

declare const canonical: unique symbol;
declare const canonicalPrefix: unique symbol;

/** An address in its one canonical text form (RFC 5952; dotted quad for IPv4): equal addresses are equal strings. */
export type IpAddress = string & { readonly [canonical]: true };

export type IpFamily = 'IPv4' | 'IPv6';

/** A prefix in its one canonical text form, host bits zero: `10.244.0.0/16`. */
export type IpPrefix = string & { readonly [canonicalPrefix]: true };

/** Bytes an address takes in a table key or value. */
export const ADDRESS_SIZE = 16;
const IPV4_SIZE = 4;

/** What the third 32 bits of an IPv4-mapped address are, the first two being zero. */
const MAPPED_WORD = 0xffff;
/** Bits of an IPv4-mapped address before the IPv4 address. */
const MAPPED_BITS = 96;

/** By hand: the addresses of a cluster are read by the hundred thousand, and ipaddr.js takes ten times as long. */
const FOUR_PARTS = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** What an address may be for on every host, and so never for a Service (API validation, ValidateNonSpecialIP). */
const SPECIAL_USES = [
  ['unspecified', '0.0.0.0/32'],
  ['unspecified', '::/128'],
  ['loopback', '127.0.0.0/8'],
  ['loopback', '::1/128'],
  ['link-local', '169.254.0.0/16'],
  ['link-local', 'fe80::/10'],
  ['multicast', '224.0.0.0/4'],
  ['multicast', 'ff00::/8'],
] as const;

/**
 * Reads an address as Kubernetes writes them. Strict: four decimal parts without leading zeros, or
 * RFC 4291 text without a zone. An IPv4-mapped address is its IPv4 address.
 *
 * @returns undefined when `text` is not an address.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (FOUR_PARTS.test(text)) return text as IpAddress;
  const groups = withoutDottedTail(text);
  if (!groups?.includes(':') || groups.includes('%') || !ipaddr.IPv6.isValid(groups)) {
    return undefined;
  }
  return ipaddr.process(groups).toString() as IpAddress;
}

/**
 * `::ffff:10.96.0.1` -> `::ffff:0a60:0001`. ipaddr.js takes leading zeros in such a tail, and takes
 * `::10.96.0.1` for an IPv4-mapped address (2.5.0).
 */
function withoutDottedTail(text: string): string | undefined {
  if (!text.includes('.')) return text;
  const at = text.lastIndexOf(':') + 1;
  const tail = text.slice(at);
  if (!FOUR_PARTS.test(tail)) return undefined;
  const hex = tail.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `${text.slice(0, at)}${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
}

/** The family that `address` belongs to. */
export function familyOf(address: IpAddress): IpFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** The address of `family` that no host has: it stands for any address. */
export function unspecifiedAddress(family: IpFamily): IpAddress {
  return (family === 'IPv6' ? '::' : '0.0.0.0') as IpAddress;
}

/** Writes the 16-byte form of `address` at `at`. */
export function writeAddress(view: DataView, at: number, address: IpAddress): void {
  if (familyOf(address) === 'IPv6') {
    writeBytes(view, at, ipaddr.IPv6.parse(address).toByteArray());
    return;
  }
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint32(at + 8, MAPPED_WORD);
  let part = 0;
  let offset = at + ADDRESS_SIZE - IPV4_SIZE;
  for (let i = 0; i < address.length; i++) {
    const char = address.charCodeAt(i);
    if (char === 0x2e) {
      view.setUint8(offset++, part);
      part = 0;
    } else {
      part = part * 10 + char - 0x30;
    }
  }
  view.setUint8(offset, part);
}

/** Reads the 16-byte form at `at`. Inverse of {@link writeAddress}. */
export function readAddress(view: DataView, at: number): IpAddress {
  if (
    view.getUint32(at) === 0 &&
    view.getUint32(at + 4) === 0 &&
    view.getUint32(at + 8) === MAPPED_WORD
  ) {
    const part = (i: number) => view.getUint8(at + 12 + i);
    // Joined: thousands are kept, and a template's result would be kept as a tree of its parts.
    return [part(0), part(1), part(2), part(3)].join('.') as IpAddress;
  }
  return readIpv6(view, at);
}

/** RFC 5952. By hand: tables are read by the hundred thousand, and ipaddr.js takes twenty times as long. */
function readIpv6(view: DataView, at: number): IpAddress {
  let [longest, longestAt, zeros] = [1, -1, 0];
  for (let i = 0; i < ADDRESS_SIZE / 2; i++) {
    zeros = view.getUint16(at + i * 2) === 0 ? zeros + 1 : 0;
    if (zeros > longest) [longest, longestAt] = [zeros, i - zeros + 1];
  }
  let text = '';
  for (let i = 0; i < ADDRESS_SIZE / 2; i++) {
    if (i === longestAt) {
      text += '::';
      i += longest - 1;
    } else {
      if (text !== '' && !text.endsWith('::')) text += ':';
      text += view.getUint16(at + i * 2).toString(16);
    }
  }
  return text as IpAddress;
}

/**
 * Reads a CIDR as Kubernetes does: white space around it, leading zeros in IPv4 parts and host bits are
 * tolerated (netutils.ParseCIDRSloppy). A prefix of IPv4-mapped addresses is one of IPv4.
 *
 * @returns undefined when `text` is not a prefix.
 */
export function parsePrefix(text: string): IpPrefix | undefined {
  const [, ip = '', digits = ''] = text.trim().match(/^([^/]+)\/(\d+)$/) ?? [];
  const address = parseAddressSloppily(ip);
  if (address === undefined) return undefined;
  const isMapped = ip.includes(':') && familyOf(address) === 'IPv4';
  const length = Number(digits) - (isMapped ? MAPPED_BITS : 0);
  if (length < 0 || length > bitsOf(familyOf(address))) return undefined;
  return formatPrefix(address, length);
}

/** As {@link parseAddress}, but leading zeros in IPv4 parts are decimal zeros (netutils.ParseIPSloppy). */
export function parseAddressSloppily(text: string): IpAddress | undefined {
  const at = text.lastIndexOf(':') + 1;
  const tail = text.slice(at);
  if (!tail.includes('.')) return parseAddress(text);
  return parseAddress(text.slice(0, at) + tail.replace(/\b0+(?=\d)/g, ''));
}

/** The prefix of one address alone. */
export function prefixOf(address: IpAddress): IpPrefix {
  return `${address}/${bitsOf(familyOf(address))}` as IpPrefix;
}

/** The family that the addresses of `prefix` belong to. */
export function prefixFamily(prefix: IpPrefix): IpFamily {
  return prefix.includes(':') ? 'IPv6' : 'IPv4';
}

/** Bits, of the family's own address length. */
export function prefixLength(prefix: IpPrefix): number {
  return Number(prefix.slice(prefix.indexOf('/') + 1));
}

/** First address of `prefix`. */
export function prefixAddress(prefix: IpPrefix): IpAddress {
  return prefix.slice(0, prefix.indexOf('/')) as IpAddress;
}

/** Whether `address` lies in `prefix`; never across families. */
export function prefixContains(prefix: IpPrefix, address: IpAddress): boolean {
  if (prefixFamily(prefix) !== familyOf(address)) return false;
  return matchesBits(bytesOf(address), bytesOf(prefixAddress(prefix)), prefixLength(prefix));
}

/**
 * Reads an address as the network carries it: 4 or 16 bytes, in network order.
 *
 * @returns undefined when it is of another length.
 */
export function addressOfBytes(bytes: Uint8Array): IpAddress | undefined {
  if (bytes.length === IPV4_SIZE) return bytes.join('.') as IpAddress;
  if (bytes.length !== ADDRESS_SIZE) return undefined;
  return readAddress(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
}

/** Inverse of {@link addressOfBytes}. */
export function addressBytes(address: IpAddress): Uint8Array {
  return Uint8Array.from(bytesOf(address));
}

/** Whether `address` names a host only together with a device (RFC 4007): fe80::/10. */
export function isZoned(address: IpAddress): boolean {
  return prefixContains('fe80::/10' as IpPrefix, address);
}

/** The loopback address of each family that hosts have. */
export const LOOPBACK_ADDRESSES: readonly IpAddress[] = ['127.0.0.1', '::1'] as IpAddress[];

/** Whether `address` is the host's own by its kind: 127.0.0.0/8 or ::1. */
export function isLoopback(address: IpAddress): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** What `address` is for instead of for one Service in the cluster; undefined when it may be for that. */
export function specialUseOf(address: IpAddress): (typeof SPECIAL_USES)[number][0] | undefined {
  const [use] = SPECIAL_USES.find(([, range]) => prefixContains(range as IpPrefix, address)) ?? [];
  return use;
}

/** Bits of `prefix` when addresses are 16 bytes: what the kernel's tables hold. */
export function prefixBits(prefix: IpPrefix): number {
  return prefixLength(prefix) + (prefixFamily(prefix) === 'IPv4' ? MAPPED_BITS : 0);
}

/** Inverse of {@link prefixAddress} and {@link prefixBits}. */
export function prefixFromBits(address: IpAddress, bits: number): IpPrefix {
  return formatPrefix(address, familyOf(address) === 'IPv4' ? bits - MAPPED_BITS : bits);
}

function formatPrefix(address: IpAddress, length: number): IpPrefix {
  const bytes = bytesOf(address).map((byte, i) => byte & byteMask(length - i * 8));
  const network =
    familyOf(address) === 'IPv4' ? bytes.join('.') : new ipaddr.IPv6(bytes).toString();
  return `${network}/${length}` as IpPrefix;
}

function matchesBits(a: readonly number[], b: readonly number[], bits: number): boolean {
  return a.every((byte, i) => ((byte ^ (b[i] ?? 0)) & byteMask(bits - i * 8)) === 0);
}

/** The first `bits` of a byte; any number of bits. */
function byteMask(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}

function bytesOf(address: IpAddress): number[] {
  return familyOf(address) === 'IPv4'
    ? address.split('.').map(Number)
    : ipaddr.IPv6.parse(address).toByteArray();
}

function bitsOf(family: IpFamily): number {
  return family === 'IPv4' ? 32 : 128;
}

/** `address:port` as people write it: IPv6 in brackets. `*` is every port. */
export function formatEndpoint(address: IpAddress, port: number | '*'): string {
  return [familyOf(address) === 'IPv6' ? `[${address}]` : address, port].join(':');
}

function writeBytes(view: DataView, at: number, bytes: readonly number[]): void {
  for (const [i, byte] of bytes.entries()) view.setUint8(at + i, byte);
}

/** Bits of an address, in its 16-byte form, that name the network which {@link networkHash} is of. */
const NETWORK_BITS = { IPv4: MAPPED_BITS + 24, IPv6: 64 } as const;

/**
 * A hash, of 32 bits, of the network that `address` is in, /24 of IPv4 or /64 of IPv6: what ip_network_hash() of
 * bpf/ip.bpf.h says of it.
 */
export function networkHash(address: IpAddress): number {
  return hashOf(networkNumber(address));
}

/**
 * {@link networkHash} of all networks that hold what agrees with `address` in its first `bits` of 128.
 *
 * @returns undefined when there are more than `most`.
 */
export function networkHashes(
  address: IpAddress,
  bits: number,
  most: number,
): readonly number[] | undefined {
  const family = familyOf(address);
  const count = 2 ** Math.max(0, NETWORK_BITS[family] - bits);
  if (count > most || (family === 'IPv4' && bits < MAPPED_BITS)) return undefined;
  const first = networkNumber(address);
  return Array.from({ length: count }, (_, i) => hashOf(first + i));
}

/** Networks that follow each other have numbers that do. */
function networkNumber(address: IpAddress): number {
  const view = new DataView(new ArrayBuffer(ADDRESS_SIZE));
  writeAddress(view, 0, address);
  if (familyOf(address) === 'IPv4') return view.getUint32(12) >>> 8;
  return Math.imul(view.getUint32(0), 0x9e3779b1) + view.getUint32(4);
}

/** A hash, of 32 bits, of the address itself: what ip_address_hash() of bpf/ip.bpf.h says of it. */
export function addressHash(address: IpAddress): number {
  const view = new DataView(new ArrayBuffer(ADDRESS_SIZE));
  writeAddress(view, 0, address);
  let hash = 0;
  for (let at = 0; at < ADDRESS_SIZE; at += 4) {
    hash = Math.imul(hash + view.getUint32(at), 0x9e3779b1);
  }
  return hash >>> 0;
}

function hashOf(networkNumber: number): number {
  return Math.imul(networkNumber, 0x85ebca6b) >>> 0;
}
