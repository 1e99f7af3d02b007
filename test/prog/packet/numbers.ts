// SPDX-License-Identifier: Apache-2.0
// Numbers in headers (IANA, IEEE).

import type { IpFamily } from '../../../agent/model/address.ts';
import type { Extension } from './description.ts';

export const ETHERTYPES: Readonly<Record<IpFamily, number>> = { IPv4: 0x0800, IPv6: 0x86dd };
export const VLAN_TAG = 0x8100;

export const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132, fragment: 44 } as const;

export const EXTENSIONS: Readonly<Record<Extension['kind'], number>> = {
  'hop-by-hop': 0,
  routing: 43,
  'destination options': 60,
};
