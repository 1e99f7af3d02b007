// SPDX-License-Identifier: Apache-2.0
// Addresses as names below in-addr.arpa and ip6.arpa (RFC 1035, RFC 3596), and back. Pure.

import { familyOf, type IpAddress, parseAddress } from '../../../agent/model/address.ts';

const V4_ZONE = '.in-addr.arpa';
const V6_ZONE = '.ip6.arpa';

/** @returns undefined when `name` (lower case) is not the whole reverse name of an address. */
export function addressOfReverseName(name: string): IpAddress | undefined {
  if (name.endsWith(V4_ZONE)) {
    return parseAddress(name.slice(0, -V4_ZONE.length).split('.').reverse().join('.'));
  }
  if (!name.endsWith(V6_ZONE)) return undefined;
  const digits = name.slice(0, -V6_ZONE.length).split('.').reverse();
  if (digits.length !== 32 || digits.some((digit) => !/^[0-9a-f]$/.test(digit))) return undefined;
  return parseAddress((digits.join('').match(/.{4}/g) ?? []).join(':'));
}

export function isReverseName(name: string): boolean {
  return name.endsWith(V4_ZONE) || name.endsWith(V6_ZONE);
}

/** The label that stands for an address in names: dots and colons become dashes. */
export function dashed(address: IpAddress): string {
  return address.replace(/[.:]/g, '-');
}

/** @returns undefined when `label` is no {@link dashed} address. */
export function addressOfDashed(label: string): IpAddress | undefined {
  const asV4 = parseAddress(label.replaceAll('-', '.'));
  return asV4 && familyOf(asV4) === 'IPv4' ? asV4 : parseAddress(label.replaceAll('-', ':'));
}
