// SPDX-License-Identifier: Apache-2.0
// IP addresses and CIDRs for the oracle, by node:net alone: nothing here is the agent's.

import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net';
import type { Family } from './raw-objects.ts';

/** @returns the one text of an address, an IPv4-mapped one as IPv4; undefined when `text` is no address. */
export function canonical(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  if (isIPv4(text)) return text;
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const mapped = address.match(/^::ffff:([\d.]+)$/);
  return mapped?.[1] ?? address;
}

/** As {@link canonical}; leading zeros in IPv4 parts are decimal zeros (netutils.ParseIPSloppy). */
export function canonicalSloppily(text: unknown): string | undefined {
  if (typeof text !== 'string' || text.includes(':')) return canonical(text);
  return canonical(text.replace(/\b0+(?=\d)/g, ''));
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** @returns those of `family` among `cidrs`; what is no CIDR is left out. */
export function cidrsOf(family: Family, cidrs: readonly unknown[]): string[] {
  return cidrs
    .map(readCidr)
    .filter((cidr) => cidr !== undefined)
    .filter((cidr) => familyOf(cidr) === family);
}

/** @param cidrs as {@link cidrsOf} gives them. */
export function isInside(address: string, cidrs: readonly string[]): boolean {
  return listOf(cidrs).check(address, nameOf(familyOf(address)));
}

/** @param address or a CIDR: whether it begins with one. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address.split('/')[0] === '::1';
}

/** Means something else to every machine: the API server refuses such external addresses. */
const NOBODYS = listOf([
  ...['0.0.0.0/32', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4'],
  ...['::/128', '::1/128', 'fe80::/10', 'ff00::/8'],
]);

export function canBeExternal(address: string): boolean {
  return !NOBODYS.check(address, nameOf(familyOf(address)));
}

function listOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', length] = cidr.split('/');
    list.addSubnet(network, Number(length), nameOf(familyOf(network)));
  }
  return list;
}

function readCidr(text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  const [, ip, digits] = text.match(/^([^/]+)\/(\d{1,3})$/) ?? [];
  const network = canonicalSloppily(ip);
  if (network === undefined) return undefined;
  const length = Number(digits);
  return length <= (familyOf(network) === 'IPv4' ? 32 : 128) ? `${network}/${length}` : undefined;
}

function nameOf(family: Family): 'ipv4' | 'ipv6' {
  return family === 'IPv4' ? 'ipv4' : 'ipv6';
}
