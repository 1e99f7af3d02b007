// SPDX-License-Identifier: Apache-2.0
// What is wrong with the checksums of a packet, told from its bytes and by sums over all of them: nothing
// here goes through descriptions.

import { crc32c, internetChecksum, pseudoHeader } from './checksum.ts';
import { ICMP_PROTOCOL } from './icmp-kinds.ts';
import { ethernetLayer, type IpLayer, ipLayer } from './layers.ts';
import { PROTOCOLS } from './numbers.ts';

/** ICMP types whose messages quote a packet. */
const ERROR_TYPES = { IPv4: [3, 11, 12], IPv6: [1, 2, 3, 4] } as const;

/**
 * Of the IP header, the transport, and in ICMP errors of the quoted header and, when it is all there, the
 * quoted transport.
 *
 * @returns one line each; none when all are right, and for what is no IP packet. A fragment has no checksum of
 *   its own but its IP header's.
 */
export function checksumProblems(
  packet: Uint8Array,
  start: 'ethernet' | 'ip' = 'ethernet',
): string[] {
  const bytes = Buffer.from(packet);
  const begin = start === 'ip' ? 0 : ethernetLayer(bytes)?.end;
  return begin === undefined ? [] : ipProblems(bytes.subarray(begin), '');
}

function ipProblems(bytes: Buffer, where: string): string[] {
  const layer = ipLayer(bytes);
  if (!layer) return [];
  const problems: string[] = [];
  if (layer.family === 'IPv4' && internetChecksum(bytes.subarray(0, layer.end)) !== 0) {
    problems.push(`${where}IPv4 header`);
  }
  if (layer.packetEnd > bytes.length || layer.fragment) return problems;
  const data = bytes.subarray(layer.end, layer.packetEnd);
  return [...problems, ...transportProblems(layer, data, where)];
}

function transportProblems(layer: IpLayer, data: Buffer, where: string): string[] {
  const { family, source, destination, protocol } = layer;
  const sum = () =>
    internetChecksum(pseudoHeader(source, destination, protocol, data.length), data);
  if (protocol === PROTOCOLS.TCP) {
    return data.length < 20 || sum() === 0 ? [] : [`${where}TCP`];
  }
  if (protocol === PROTOCOLS.UDP) {
    if (data.length < 8) return [];
    if (data.readUInt16BE(6) === 0) return family === 'IPv6' ? [`${where}UDP has none`] : [];
    return sum() === 0 ? [] : [`${where}UDP`];
  }
  if (protocol === PROTOCOLS.SCTP) {
    if (data.length < 12) return [];
    const zeroed = Buffer.from(data);
    zeroed.writeUInt32BE(0, 8);
    return crc32c(zeroed) === data.readUInt32BE(8) ? [] : [`${where}SCTP`];
  }
  if (protocol !== ICMP_PROTOCOL[family] || data.length < 8) return [];
  const ofIcmp = family === 'IPv4' ? internetChecksum(data) : sum();
  const types: readonly number[] = ERROR_TYPES[family];
  return [
    ...(ofIcmp === 0 ? [] : [`${where}ICMP`]),
    ...(types.includes(data[0] as number) ? ipProblems(data.subarray(8), `quoted ${where}`) : []),
  ];
}
