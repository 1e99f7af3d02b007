// SPDX-License-Identifier: Apache-2.0
// Where the layers of a packet begin and end, from its bytes alone.

import type { IpAddress, IpFamily } from '../../../agent/model/address.ts';
import { readAddressBytes } from './bytes.ts';
import { EXTENSIONS, PROTOCOLS, VLAN_TAG } from './numbers.ts';

export interface EthernetLayer {
  readonly type: number;
  readonly tags: readonly number[];
  /** Where what it carries begins. */
  readonly end: number;
}

/** @returns undefined when it is not all there. */
export function ethernetLayer(bytes: Buffer): EthernetLayer | undefined {
  const tags: number[] = [];
  for (let at = 12; at + 2 <= bytes.length; at += 4) {
    const type = bytes.readUInt16BE(at);
    if (type !== VLAN_TAG || at + 4 > bytes.length) return { type, tags, end: at + 2 };
    tags.push(bytes.readUInt16BE(at + 2));
  }
  return undefined;
}

export interface ExtensionLayer {
  readonly protocol: number;
  readonly start: number;
  readonly end: number;
}

export interface IpLayer {
  readonly family: IpFamily;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Of what begins at `end`. */
  readonly protocol: number;
  /** Where its headers end, extensions included. */
  readonly end: number;
  /** Where the packet ends, as it says itself; may lie behind the last byte. */
  readonly packetEnd: number;
  /** In IPv6, with the fragment header. */
  readonly extensions: readonly ExtensionLayer[];
  readonly fragment: { readonly offset: number; readonly more: boolean } | undefined;
}

/** Of a packet that begins at the first byte. @returns undefined when there is no whole header. */
export function ipLayer(bytes: Buffer): IpLayer | undefined {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return ipv4Layer(bytes);
  return version === 6 ? ipv6Layer(bytes) : undefined;
}

function ipv4Layer(bytes: Buffer): IpLayer | undefined {
  if (bytes.length < 20) return undefined;
  const end = ((bytes[0] as number) & 0xf) * 4;
  const packetEnd = bytes.readUInt16BE(2);
  if (end < 20 || end > bytes.length || packetEnd < end) return undefined;
  const word = bytes.readUInt16BE(6);
  const fragment = { offset: (word & 0x1fff) * 8, more: (word & 0x2000) !== 0 };
  return {
    family: 'IPv4',
    source: readAddressBytes(bytes.subarray(12, 16)),
    destination: readAddressBytes(bytes.subarray(16, 20)),
    protocol: bytes[9] as number,
    end,
    packetEnd,
    extensions: [],
    fragment: fragment.offset > 0 || fragment.more ? fragment : undefined,
  };
}

function ipv6Layer(bytes: Buffer): IpLayer | undefined {
  if (bytes.length < 40) return undefined;
  const extensions: ExtensionLayer[] = [];
  let [protocol, end] = [bytes[6] as number, 40];
  let fragment: IpLayer['fragment'];
  const isExtension = () =>
    protocol === PROTOCOLS.fragment || Object.values(EXTENSIONS).includes(protocol);
  while (isExtension() && !(fragment && fragment.offset > 0) && end + 8 <= bytes.length) {
    const isFragment = protocol === PROTOCOLS.fragment;
    const next = end + (isFragment ? 8 : ((bytes[end + 1] as number) + 1) * 8);
    if (next > bytes.length || (isFragment && fragment)) break;
    if (isFragment) {
      const word = bytes.readUInt16BE(end + 2);
      fragment = { offset: word & 0xfff8, more: (word & 1) !== 0 };
    }
    extensions.push({ protocol, start: end, end: next });
    protocol = bytes[end] as number;
    end = next;
  }
  return {
    family: 'IPv6',
    source: readAddressBytes(bytes.subarray(8, 24)),
    destination: readAddressBytes(bytes.subarray(24, 40)),
    protocol,
    end,
    packetEnd: 40 + bytes.readUInt16BE(4),
    extensions,
    fragment,
  };
}
