// SPDX-License-Identifier: Apache-2.0
// IP addresses. The only TypeScript file that knows IPv4 from IPv6: everywhere else an address is
// an opaque, canonical text, and in the kernel's tables it is 16 bytes, IPv4 as ::ffff:a.b.c.d.

import ipaddr from 'ipaddr.js';

declare const canonical: unique symbol;

/** An address in its one canonical text form (RFC 5952; dotted quad for IPv4): equal addresses are equal strings. */
export type IpAddress = string & { readonly [canonical]: true };

export type IpFamily = 'IPv4' | 'IPv6';

/** Bytes an address takes in a table key or value. */
export const ADDRESS_SIZE = 16;

/** What the third 32 bits of an IPv4-mapped address are, the first two being zero. */
const MAPPED_WORD = 0xffff;
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] as const;

/**
 * Reads an address as Kubernetes writes them. Strict: four decimal parts without leading zeros, or
 * RFC 4291 text without a zone. An IPv4-mapped address is its IPv4 address.
 *
 * @returns undefined when `text` is not an address.
 */
export function parseAddress(text: string): IpAddress | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text as IpAddress;
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
  if (!ipaddr.IPv4.isValidFourPartDecimal(tail)) return undefined;
  const hex = tail.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `${text.slice(0, at)}${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
}

/** The family that `address` belongs to. */
export function familyOf(address: IpAddress): IpFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** Writes the 16-byte form of `address` at `at`. */
export function writeAddress(view: DataView, at: number, address: IpAddress): void {
  if (familyOf(address) === 'IPv6') {
    writeBytes(view, at, ipaddr.IPv6.parse(address).toByteArray());
    return;
  }
  writeBytes(view, at, MAPPED_PREFIX);
  let part = 0;
  let offset = at + MAPPED_PREFIX.length;
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
    return `${part(0)}.${part(1)}.${part(2)}.${part(3)}` as IpAddress;
  }
  const bytes = Array.from({ length: ADDRESS_SIZE }, (_, i) => view.getUint8(at + i));
  return new ipaddr.IPv6(bytes).toString() as IpAddress;
}

/** `address:port` as people write it: IPv6 in brackets. */
export function formatEndpoint(address: IpAddress, port: number): string {
  return familyOf(address) === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

function writeBytes(view: DataView, at: number, bytes: readonly number[]): void {
  for (const [i, byte] of bytes.entries()) view.setUint8(at + i, byte);
}
