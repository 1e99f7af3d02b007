// SPDX-License-Identifier: Apache-2.0
// The checksums of the Internet protocols, over whole buffers and plainly: what the programs compute by
// differences is compared with them.

import type { IpAddress } from '../../../agent/model/address.ts';
import { addressBytes } from './bytes.ts';

/** RFC 1071: the complement of the one's complement sum of 16-bit words. 0 for data that holds its own checksum. */
export function internetChecksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    // Each part but the last is of even length.
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] as number) << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum & 0xffff);
  return ~sum & 0xffff;
}

/** RFC 9293 3.1 and RFC 8200 8.1, which come to the same sum. */
export function pseudoHeader(
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  length: number,
): Uint8Array {
  const rest = Buffer.alloc(8);
  rest.writeUInt32BE(length, 0);
  rest.writeUInt32BE(protocol, 4);
  return Buffer.concat([addressBytes(source), addressBytes(destination), rest]);
}

const CRC32C_POLYNOMIAL = 0x82f63b78;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
  return crc >>> 0;
});

/** RFC 9260 appendix A, as the number that stands in the header in network order. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  const swapped = Buffer.alloc(4);
  swapped.writeUInt32LE(~crc >>> 0);
  return swapped.readUInt32BE();
}
