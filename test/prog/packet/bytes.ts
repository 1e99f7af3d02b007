// SPDX-License-Identifier: Apache-2.0
// Bytes of packets: how descriptions write them, and addresses as headers hold them.

import {
  ADDRESS_SIZE,
  addressOfBytes,
  familyOf,
  type IpAddress,
  writeAddress,
} from '../../../agent/model/address.ts';

/** Bytes as text, one character each: readable where they are, and escaped where not. */
export type Bytes = string;

export function bytesOf(text: Bytes): Buffer {
  return Buffer.from(text, 'latin1');
}

export function textOf(bytes: Uint8Array): Bytes {
  return Buffer.from(bytes).toString('latin1');
}

/** White space between digits is free. */
export function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(/\s/g, ''), 'hex');
}

/** 4 or 16 bytes. */
export function addressBytes(address: IpAddress): Buffer {
  const bytes = Buffer.alloc(ADDRESS_SIZE);
  writeAddress(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, address);
  return familyOf(address) === 'IPv4' ? bytes.subarray(ADDRESS_SIZE - 4) : bytes;
}

export function readAddressBytes(bytes: Uint8Array): IpAddress {
  return addressOfBytes(bytes) as IpAddress;
}

export function macBytes(mac: string): Buffer {
  return hex(mac.replaceAll(':', ''));
}

export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}
