// SPDX-License-Identifier: Apache-2.0
// Entries of the kernel's connection tracking as netlink carries them (ctnetlink: linux/netfilter/nfnetlink_conntrack.h,
// nf_conntrack_common.h, nf_conntrack_tcp.h). Pure. Used by conntrack.ts.

import { addressBytes, addressOfBytes, type IpAddress } from '../model/address.ts';
import type { NetlinkRequest } from './libbpf/netlink-socket.ts';
import {
  ANY_FAMILY,
  bigEndian,
  familyNumber,
  NETFILTER_HEADER_SIZE,
  type NetfilterFamily,
  nestedAttribute,
  netfilterRequest,
  netfilterType,
  numberAttribute,
  viewOfAttribute,
} from './netfilter-messages.ts';
import {
  CREATE,
  DUMP,
  decodeAttributes,
  EXCLUSIVE,
  encodeAttribute,
  type NetlinkMessage,
  WANTS_ACK,
} from './netlink-messages.ts';

export interface ConntrackEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** One direction of a connection, as its packets meet netfilter. */
export interface ConntrackTuple {
  /** As in IP headers. */
  readonly protocol: number;
  readonly source: ConntrackEndpoint;
  readonly destination: ConntrackEndpoint;
}

export interface ConntrackEntry {
  /** What the client sends, before any translation. */
  readonly original: ConntrackTuple;
  /** What it is answered with, before any translation. */
  readonly reply: ConntrackTuple;
  /** Tells it from another entry of the same addresses, later. */
  readonly id: number;
  /** TCP: both ends have closed it, or one has reset it. */
  readonly hasEnded: boolean;
}

/** IPCTNL_MSG_CT_* */
const MESSAGES = { new: 0, get: 1, delete: 2 } as const;
const NEW_ENTRY = netfilterType('conntrack', MESSAGES.new);

/** CTA_* */
const ENTRY = {
  original: 1,
  reply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  id: 12,
  statusMask: 26,
} as const;
/** CTA_TUPLE_*, CTA_PROTO_* */
const TUPLE = { addresses: 1, protocol: 2 } as const;
const PROTOCOL = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
/** CTA_IP_*: source and destination, by the bytes that an address has. */
const ADDRESSES: Readonly<Record<number, readonly [number, number]>> = { 4: [1, 2], 16: [3, 4] };
/** CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE */
const TCP_INFO = 1;
const TCP_STATE = 1;

/** TCP_CONNTRACK_* */
const ESTABLISHED = 3;
const TIME_WAIT = 7;
const CLOSED = 8;

/** IPS_* */
const STATUS = { seenReply: 2, assured: 4, confirmed: 8, destinationTranslated: 32 } as const;

const TCP = 6;

/** Asks for every entry of both families whose destination is translated. Older kernels (before 5.16) send all. */
export const DESTINATION_TRANSLATED: NetlinkRequest = netfilterRequest(
  netfilterType('conntrack', MESSAGES.get),
  DUMP,
  ANY_FAMILY,
  numberAttribute(ENTRY.status, STATUS.destinationTranslated, 4),
  numberAttribute(ENTRY.statusMask, STATUS.destinationTranslated, 4),
);

/**
 * @returns undefined for a message that tells of no entry with ports whose destination is translated: that is to say, to
 * whose client another one answers than it has dialled.
 */
export function translatedEntryOf({ type, payload }: NetlinkMessage): ConntrackEntry | undefined {
  if (type !== NEW_ENTRY) return undefined;
  const attributes = decodeAttributes(payload, NETFILTER_HEADER_SIZE);
  if ((bigEndian(attributes.get(ENTRY.status)) & STATUS.destinationTranslated) === 0)
    return undefined;
  const original = tupleOf(attributes.get(ENTRY.original));
  const reply = tupleOf(attributes.get(ENTRY.reply));
  if (!original || !reply) return undefined;
  return {
    original,
    reply,
    id: bigEndian(attributes.get(ENTRY.id)),
    hasEnded:
      original.protocol === TCP && isEndState(tcpStateOf(attributes.get(ENTRY.protocolInfo))),
  };
}

/** Takes an entry away, and not one that has its place since. */
export function deletionOf({ original, id }: ConntrackEntry): NetlinkRequest {
  return netfilterRequest(
    netfilterType('conntrack', MESSAGES.delete),
    WANTS_ACK,
    familyOfTuple(original),
    tupleAttribute(ENTRY.original, original),
    numberAttribute(ENTRY.id, id, 4),
  );
}

/**
 * Adds an established connection that is not translated, so that no translation of another one gives it the same
 * addresses and ports. Refused with EEXIST when there is one.
 */
export function creationOf(original: ConntrackTuple, timeoutSeconds: number): NetlinkRequest {
  const { protocol, source, destination } = original;
  const reply = { protocol, source: destination, destination: source };
  const status = STATUS.confirmed | STATUS.seenReply | STATUS.assured;
  const tcp = nestedAttribute(TCP_INFO, numberAttribute(TCP_STATE, ESTABLISHED, 1));
  return netfilterRequest(
    NEW_ENTRY,
    WANTS_ACK | CREATE | EXCLUSIVE,
    familyOfTuple(original),
    tupleAttribute(ENTRY.original, original),
    tupleAttribute(ENTRY.reply, reply),
    numberAttribute(ENTRY.status, status, 4),
    numberAttribute(ENTRY.timeout, timeoutSeconds, 4),
    ...(protocol === TCP ? [nestedAttribute(ENTRY.protocolInfo, tcp)] : []),
  );
}

function isEndState(state: number): boolean {
  return state === TIME_WAIT || state === CLOSED;
}

function tcpStateOf(info: Uint8Array | undefined): number {
  const tcp = decodeAttributes(viewOfAttribute(info), 0).get(TCP_INFO);
  return bigEndian(decodeAttributes(viewOfAttribute(tcp), 0).get(TCP_STATE));
}

function tupleOf(bytes: Uint8Array | undefined): ConntrackTuple | undefined {
  const tuple = decodeAttributes(viewOfAttribute(bytes), 0);
  const protocol = decodeAttributes(viewOfAttribute(tuple.get(TUPLE.protocol)), 0);
  const addresses = decodeAttributes(viewOfAttribute(tuple.get(TUPLE.addresses)), 0);
  const [source, destination] = [0, 1].map((which) => addressAmong(addresses, which));
  const sourcePort = protocol.get(PROTOCOL.sourcePort);
  if (source === undefined || destination === undefined || !sourcePort) return undefined;
  return {
    protocol: bigEndian(protocol.get(PROTOCOL.number)),
    source: { address: source, port: bigEndian(sourcePort) },
    destination: { address: destination, port: bigEndian(protocol.get(PROTOCOL.destinationPort)) },
  };
}

function addressAmong(
  attributes: ReadonlyMap<number, Uint8Array>,
  which: number,
): IpAddress | undefined {
  for (const types of Object.values(ADDRESSES)) {
    const bytes = attributes.get(types[which] as number);
    if (bytes) return addressOfBytes(bytes);
  }
  return undefined;
}

function tupleAttribute(type: number, tuple: ConntrackTuple): Uint8Array {
  const { protocol, source, destination } = tuple;
  const [from, to] = [source, destination].map(({ address }) => addressBytes(address)) as [
    Uint8Array,
    Uint8Array,
  ];
  const [sourceType, destinationType] = ADDRESSES[from.length] as readonly [number, number];
  return nestedAttribute(
    type,
    nestedAttribute(
      TUPLE.addresses,
      encodeAttribute(sourceType, from),
      encodeAttribute(destinationType, to),
    ),
    nestedAttribute(
      TUPLE.protocol,
      numberAttribute(PROTOCOL.number, protocol, 1),
      numberAttribute(PROTOCOL.sourcePort, source.port, 2),
      numberAttribute(PROTOCOL.destinationPort, destination.port, 2),
    ),
  );
}

function familyOfTuple({ source }: ConntrackTuple): number {
  const families: Readonly<Record<number, NetfilterFamily>> = { 4: 'ip', 16: 'ip6' };
  return familyNumber(families[addressBytes(source.address).length] as NetfilterFamily);
}
