// SPDX-License-Identifier: Apache-2.0
// ICMP messages by name, with the numbers that either family has for them (IANA).

import type { IpFamily } from '../../../agent/model/address.ts';

export type IcmpErrorKind = keyof typeof ERRORS;

interface Numbers {
  readonly type: number;
  readonly code: number;
}

const ERRORS = {
  'no route': { IPv4: { type: 3, code: 0 }, IPv6: { type: 1, code: 0 } },
  'host unreachable': { IPv4: { type: 3, code: 1 }, IPv6: { type: 1, code: 3 } },
  'port unreachable': { IPv4: { type: 3, code: 3 }, IPv6: { type: 1, code: 4 } },
  prohibited: { IPv4: { type: 3, code: 13 }, IPv6: { type: 1, code: 1 } },
  'too big': { IPv4: { type: 3, code: 4 }, IPv6: { type: 2, code: 0 } },
  'time exceeded': { IPv4: { type: 11, code: 0 }, IPv6: { type: 3, code: 0 } },
  'parameter problem': { IPv4: { type: 12, code: 0 }, IPv6: { type: 4, code: 0 } },
} as const satisfies Record<string, Record<IpFamily, Numbers>>;

const ECHOES = {
  'echo request': { IPv4: 8, IPv6: 128 },
  'echo reply': { IPv4: 0, IPv6: 129 },
} as const satisfies Record<string, Record<IpFamily, number>>;

export type IcmpEchoKind = keyof typeof ECHOES;

export const ICMP_PROTOCOL: Readonly<Record<IpFamily, number>> = { IPv4: 1, IPv6: 58 };

export function errorNumbers(kind: IcmpErrorKind, family: IpFamily): Numbers {
  return ERRORS[kind][family];
}

export function echoType(kind: IcmpEchoKind, family: IpFamily): number {
  return ECHOES[kind][family];
}

export function errorKindOf(family: IpFamily, { type, code }: Numbers): IcmpErrorKind | undefined {
  const found = Object.entries(ERRORS).find(
    ([, numbers]) => numbers[family].type === type && numbers[family].code === code,
  );
  return found?.[0] as IcmpErrorKind | undefined;
}

export function echoKindOf(family: IpFamily, { type, code }: Numbers): IcmpEchoKind | undefined {
  if (code !== 0) return undefined;
  const found = Object.entries(ECHOES).find(([, types]) => types[family] === type);
  return found?.[0] as IcmpEchoKind | undefined;
}
