// SPDX-License-Identifier: Apache-2.0
// What a network program can tell of any bytes, read leniently: lengths that a packet says of itself are not
// believed. Written from RFC 791, 8200, 9293, 768 and 9260. Pure.

import {
  familyOf,
  formatEndpoint,
  type IpAddress,
  type IpFamily,
  isLoopback,
} from '../../../agent/model/address.ts';
import { readAddressBytes } from '../../prog/packet/bytes.ts';

export interface End {
  readonly address: IpAddress;
  /** 0 where there is none. */
  readonly port: number;
}

/** Packets of one connection in one direction. */
export interface Tuple {
  readonly protocol: number;
  readonly source: End;
  readonly destination: End;
}

export interface Wire {
  readonly family: IpFamily;
  readonly tuple: Tuple;
  /** Offset of the IP header, and of what comes behind it and its extensions. */
  readonly network: number;
  readonly transport: number;
  readonly place: 'whole' | 'first' | 'later';
  readonly id: number;
  readonly ttl: number;
  /** Of TCP, and 0. */
  readonly flags: number;
  /** IPv6 on the wire, with addresses that stand for IPv4. */
  readonly isMapped: boolean;
}

export const TCP = 6;
export const UDP = 17;
export const SCTP = 132;
export const ICMP: Readonly<Record<IpFamily, number>> = { IPv4: 1, IPv6: 58 };

export const FLAGS = { FIN: 1, SYN: 2, RST: 4, ACK: 16 } as const;

/** The shortest headers of protocols that have ports. */
const HEADER_SIZES: Readonly<Record<number, number>> = { [TCP]: 20, [UDP]: 8, [SCTP]: 12 };

/** Where the IP header is in an Ethernet frame. */
export const ETHERNET_SIZE = 14;

const ETHER_TYPES = new Map<number, IpFamily>([
  [0x0800, 'IPv4'],
  [0x86dd, 'IPv6'],
]);

/** Hop-by-hop options, routing, fragment, destination options. */
const FRAGMENT = 44;
const EXTENSIONS: readonly number[] = [0, 43, FRAGMENT, 60];

/** @returns undefined for what is no IP packet, or is cut before the end of its headers. */
export function readFrame(bytes: Buffer): Wire | undefined {
  const family = bytes.length < ETHERNET_SIZE ? undefined : ETHER_TYPES.get(bytes.readUInt16BE(12));
  return family && readPacket(bytes, ETHERNET_SIZE, family);
}

/** The packet that an ICMP error, `wire`, is about, which may be cut behind its ports (RFC 792). */
export function readQuoted(bytes: Buffer, { family, transport }: Wire): Wire | undefined {
  return readPacket(bytes, transport + 8, family, false);
}

function readPacket(
  bytes: Buffer,
  network: number,
  family: IpFamily,
  isWhole = true,
): Wire | undefined {
  const header = family === 'IPv4' ? readIpv4(bytes, network) : readIpv6(bytes, network);
  if (!header) return undefined;
  const { transport, protocol, place } = header;
  const hasPorts = [TCP, UDP, SCTP].includes(protocol) && place !== 'later';
  const isTcp = hasPorts && protocol === TCP && isWhole;
  if (hasPorts && bytes.length < transport + (isWhole ? (HEADER_SIZES[protocol] ?? 0) : 4))
    return undefined;
  const port = (at: number) => (hasPorts ? bytes.readUInt16BE(transport + at) : 0);
  const { source, destination, id, ttl } = header;
  return {
    family,
    network,
    transport,
    place,
    id,
    ttl,
    tuple: {
      protocol,
      source: { address: source, port: port(0) },
      destination: { address: destination, port: port(2) },
    },
    flags: isTcp ? (bytes[transport + 13] as number) : 0,
    isMapped: family === 'IPv6' && [source, destination].some((it) => familyOf(it) === 'IPv4'),
  };
}

type Header = Pick<Wire, 'transport' | 'place' | 'id' | 'ttl'> & {
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
};

function readIpv4(bytes: Buffer, at: number): Header | undefined {
  const first = bytes[at] as number;
  if (bytes.length < at + 20 || first >> 4 !== 4 || (first & 0xf) < 5) return undefined;
  const fragment = bytes.readUInt16BE(at + 6) & 0x3fff;
  return {
    transport: at + (first & 0xf) * 4,
    place: fragment & 0x1fff ? 'later' : fragment ? 'first' : 'whole',
    id: bytes.readUInt16BE(at + 4),
    ttl: bytes[at + 8] as number,
    protocol: bytes[at + 9] as number,
    source: readAddressBytes(bytes.subarray(at + 12, at + 16)),
    destination: readAddressBytes(bytes.subarray(at + 16, at + 20)),
  };
}

function readIpv6(bytes: Buffer, at: number): Header | undefined {
  if (bytes.length < at + 40 || (bytes[at] as number) >> 4 !== 6) return undefined;
  let [protocol, transport, id] = [bytes[at + 6] as number, at + 40, 0];
  let place: Wire['place'] = 'whole';
  for (let i = 0; i < 6 && EXTENSIONS.includes(protocol) && place !== 'later'; i++) {
    if (bytes.length < transport + 8) return undefined;
    const next = bytes[transport] as number;
    if (protocol === FRAGMENT) {
      const word = bytes.readUInt16BE(transport + 2) & 0xfff9;
      if (word) place = word & 0xfff8 ? 'later' : 'first';
      id = bytes.readUInt32BE(transport + 4);
      transport += 8;
    } else {
      transport += ((bytes[transport + 1] as number) + 1) * 8;
    }
    protocol = next;
  }
  return {
    transport,
    place,
    id,
    protocol,
    ttl: bytes[at + 7] as number,
    source: readAddressBytes(bytes.subarray(at + 8, at + 24)),
    destination: readAddressBytes(bytes.subarray(at + 24, at + 40)),
  };
}

export function endKey({ address, port }: End): string {
  return formatEndpoint(address, port);
}

export function tupleKey({ protocol, source, destination }: Tuple): string {
  return `${protocol} ${endKey(source)} > ${endKey(destination)}`;
}

export function reverse({ protocol, source, destination }: Tuple): Tuple {
  return { protocol, source: destination, destination: source };
}

/** A packet that opens a TCP connection: SYN, without what ends or answers. */
export function isOpening({ flags }: Wire): boolean {
  return (flags & (FLAGS.SYN | FLAGS.ACK | FLAGS.RST | FLAGS.FIN)) === FLAGS.SYN;
}

/** Whether one host may have sent it, and another one than this (RFC 1122 3.2.1.3, RFC 4291 2.7). */
export function isFromHost({ family, tuple }: Wire): boolean {
  const { address } = tuple.source;
  if (isLoopback(address)) return false;
  if (family === 'IPv6') return address !== '::' && !address.startsWith('ff');
  return address !== '0.0.0.0' && Number.parseInt(address, 10) < 224;
}

/** A later fragment shows its addresses alone. */
export function isSame({ tuple, place }: Wire, expected: Tuple): boolean {
  if (place !== 'later') return tupleKey(tuple) === tupleKey(expected);
  return (
    tuple.source.address === expected.source.address &&
    tuple.destination.address === expected.destination.address
  );
}

export function wireKey({ tuple }: Wire): string {
  return tupleKey(tuple);
}
