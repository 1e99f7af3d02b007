// SPDX-License-Identifier: Apache-2.0
// Netlink messages as bytes (RFC 3549, linux/netlink.h). Pure. Used by libbpf/netlink-socket.ts and by those
// who speak a protocol on top. Whatever a message claims of its lengths, nothing is read past its end.

/** Offsets in struct nlmsghdr. */
const HEADER = { size: 16, length: 0, type: 4, flags: 6, sequence: 8 } as const;
/** Offsets in struct nlattr. */
const ATTRIBUTE = { size: 4, length: 0, type: 2 } as const;
/** NLMSG_ALIGNTO, and that of attributes */
const ALIGNMENT = 4;

/** NLM_F_* */
const REQUEST = 0x1;
export const WANTS_ACK = 0x4;
export const DUMP = 0x300;
/** What is asked to be made must not be there yet. */
export const EXCLUSIVE = 0x200;
export const CREATE = 0x400;
const DUMP_INTERRUPTED = 0x10;

/** Types of control messages. */
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** Bits of an attribute's type that are flags: NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const ATTRIBUTE_FLAGS = 0xc000;

export interface NetlinkMessage {
  /** NLMSG_* below 16, the protocol's own above. */
  readonly type: number;
  readonly sequence: number;
  /** What a dump tells may be neither the state before a change nor the one after it (NLM_F_DUMP_INTR). */
  readonly isInterrupted: boolean;
  readonly payload: DataView;
}

/** A request, ready to be sent. `flags` besides {@link REQUEST}. */
export function encodeRequest(
  type: number,
  flags: number,
  sequence: number,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(HEADER.size + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(HEADER.length, bytes.length, true);
  view.setUint16(HEADER.type, type, true);
  view.setUint16(HEADER.flags, REQUEST | flags, true);
  view.setUint32(HEADER.sequence, sequence, true);
  bytes.set(payload, HEADER.size);
  return bytes;
}

/** The messages of one datagram, up to the first that is cut off or makes no sense. */
export function* decodeMessages(datagram: Uint8Array): Generator<NetlinkMessage> {
  const view = viewOf(datagram);
  for (let at = 0; at + HEADER.size <= view.byteLength; ) {
    const length = view.getUint32(at + HEADER.length, true);
    if (length < HEADER.size || at + length > view.byteLength) return;
    yield {
      type: view.getUint16(at + HEADER.type, true),
      sequence: view.getUint32(at + HEADER.sequence, true),
      isInterrupted: (view.getUint16(at + HEADER.flags, true) & DUMP_INTERRUPTED) !== 0,
      payload: part(view, at + HEADER.size, length - HEADER.size),
    };
    at += aligned(length);
  }
}

/**
 * What a message says of the request that it answers: positive errno, 0 for success; undefined when it
 * is not the last of the answer.
 */
export function outcomeOf({ type, payload }: NetlinkMessage): number | undefined {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return undefined;
  return payload.byteLength < 4 ? 0 : Math.abs(payload.getInt32(0, true));
}

/** Attributes from `offset` on, by type; of several of one type the last. */
export function decodeAttributes(payload: DataView, offset: number): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  for (let at = offset; at + ATTRIBUTE.size <= payload.byteLength; ) {
    const length = payload.getUint16(at + ATTRIBUTE.length, true);
    if (length < ATTRIBUTE.size || at + length > payload.byteLength) break;
    const type = payload.getUint16(at + ATTRIBUTE.type, true) & ~ATTRIBUTE_FLAGS;
    const value = part(payload, at + ATTRIBUTE.size, length - ATTRIBUTE.size);
    attributes.set(type, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    at += aligned(length);
  }
  return attributes;
}

/** An attribute as bytes, padded. */
export function encodeAttribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(ATTRIBUTE.size + value.length));
  const view = viewOf(bytes);
  view.setUint16(ATTRIBUTE.length, ATTRIBUTE.size + value.length, true);
  view.setUint16(ATTRIBUTE.type, type, true);
  bytes.set(value, ATTRIBUTE.size);
  return bytes;
}

/** The number that an attribute of 32 bits has; undefined when it is not there, or shorter. */
export function numberOf(value: Uint8Array | undefined): number | undefined {
  return value && value.length >= 4 ? viewOf(value).getUint32(0, true) : undefined;
}

/** The text of an attribute, which a NUL may end. */
export function textOf(value: Uint8Array | undefined): string | undefined {
  if (!value) return undefined;
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function part(view: DataView, at: number, length: number): DataView {
  return new DataView(view.buffer, view.byteOffset + at, length);
}
