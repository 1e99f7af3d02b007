// SPDX-License-Identifier: Apache-2.0
// Whole packets as typed descriptions. What is left out of a description is the default that stands beside it;
// lengths and checksums are right unless they are said.

import type { IpAddress } from '../../../agent/model/address.ts';
import type { Bytes } from './bytes.ts';
import type { IcmpErrorKind } from './icmp-kinds.ts';

export interface Packet {
  /** Left out for the devices whose packets begin with the IP header. */
  readonly ethernet?: Ethernet;
  /** Left out where there is none that can be read: then the body's protocol is the Ethernet type. */
  readonly ip?: IpHeader;
  readonly body: Body;
  /** What of it there is, in bytes from the IP header on; all of it. */
  readonly size?: number;
  /** Bytes behind its end, as Ethernet pads short frames. */
  readonly trailer?: Bytes;
}

export interface Ethernet {
  /** `02:00:00:00:00:01` */
  readonly destination: string;
  readonly source: string;
  /** 802.1Q tags: priority, and identity in the lower 12 bits. */
  readonly tags?: readonly number[];
}

/** Of the family that its addresses are of. */
export interface IpHeader {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Hop limit of IPv6. 64 */
  readonly ttl?: number;
  /** Type of service of IPv4. 0 */
  readonly trafficClass?: number;
  /** What fragments of one packet have in common; IPv6 has it in fragments only. 0 */
  readonly id?: number;
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  /** When it is not that of the bytes. */
  readonly length?: number;

  /** IPv4. */
  readonly dontFragment?: true;
  /** IPv4; filled up to whole words. */
  readonly options?: Bytes;
  /** IPv4; when it is wrong. */
  readonly checksum?: number;

  /** IPv6. 0 */
  readonly flowLabel?: number;
  /** IPv6; before the fragment header, if there is one. */
  readonly extensions?: readonly Extension[];
  /** IPv6; behind the fragment header. */
  readonly fragmentedExtensions?: readonly Extension[];
}

export interface Extension {
  readonly kind: 'hop-by-hop' | 'routing' | 'destination options';
  /** Behind the length; filled up to 8 bytes with the two before. Six bytes of padding. */
  readonly data?: Bytes;
}

export type Body = Tcp | Udp | Sctp | IcmpEcho | IcmpError | IcmpOther | Opaque;

export interface Tcp {
  readonly protocol: 'TCP';
  readonly source: number;
  readonly destination: number;
  /** In the order of {@link TCP_FLAGS}: `SYN ACK`. */
  readonly flags: string;
  /** 0 */
  readonly seq?: number;
  /** 0 */
  readonly ack?: number;
  /** 0 */
  readonly window?: number;
  /** 0 */
  readonly urgent?: number;
  /** The four bits behind the length. 0 */
  readonly reserved?: number;
  /** Filled up to whole words. */
  readonly options?: Bytes;
  readonly payload?: Bytes;
  readonly checksum?: number;
}

/** By bit, from the lowest. */
export const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] as const;

export interface Udp {
  readonly protocol: 'UDP';
  readonly source: number;
  readonly destination: number;
  readonly payload?: Bytes;
  /** When it is not that of the bytes. */
  readonly length?: number;
  /** 0: none was made. */
  readonly checksum?: number;
}

export interface Sctp {
  readonly protocol: 'SCTP';
  readonly source: number;
  readonly destination: number;
  /** 0 */
  readonly tag?: number;
  readonly chunks?: Bytes;
  readonly checksum?: number;
}

export interface IcmpEcho {
  readonly protocol: 'ICMP';
  readonly kind: 'echo request' | 'echo reply';
  readonly id: number;
  readonly sequence: number;
  readonly payload?: Bytes;
  readonly checksum?: number;
}

export interface IcmpError {
  readonly protocol: 'ICMP';
  readonly kind: IcmpErrorKind;
  /** MTU, or where the problem is. 0 */
  readonly value?: number;
  /** What it is about. Has no Ethernet header. */
  readonly quoted: Packet;
  readonly checksum?: number;
}

export interface IcmpOther {
  readonly protocol: 'ICMP';
  readonly kind: 'other';
  readonly type: number;
  readonly code: number;
  /** Behind the checksum. */
  readonly data: Bytes;
  readonly checksum?: number;
}

/** Anything else, later fragments, and what cannot be read. */
export interface Opaque {
  readonly protocol: number;
  readonly data: Bytes;
}
