// SPDX-License-Identifier: Apache-2.0
// A packet in fragments, as a host or router would send it.

import { build } from './build.ts';
import { textOf } from './bytes.ts';
import type { IpHeader, Packet } from './description.ts';
import { ipLayer } from './layers.ts';
import { EXTENSIONS } from './numbers.ts';

/**
 * `packet` in fragments whose data are of the given sizes, the rest in a last one; all but that are multiples
 * of 8. The bodies are opaque: a later fragment has no header of a transport, and the checksum in the first
 * one is that of the whole.
 */
export function fragmentsOf(packet: Packet, ...sizes: readonly number[]): Packet[] {
  const { ethernet, ip } = packet;
  if (!ip || ip.fragment) throw new Error('only a whole packet can be fragmented');
  const { fragmentedExtensions: [extension] = [], ...unfragmented } = ip;
  const layer = ipLayer(build({ ip: unfragmented, body: packet.body }));
  if (!layer) throw new Error('this packet has no header that can be read');
  // Extensions that are cut with the rest belong to the data, and the first of them is what the header names.
  const data = build({ ip, body: packet.body }).subarray(layer.end);
  const protocol = extension ? EXTENSIONS[extension.kind] : layer.protocol;
  const ends = [...sizes.map((_, i) => sum(sizes.slice(0, i + 1))), data.length];
  return ends.map((end, i) => {
    const offset = ends[i - 1] ?? 0;
    const header: IpHeader = { ...unfragmented, fragment: { offset, more: end < data.length } };
    const body = { protocol, data: textOf(data.subarray(offset, end)) };
    return { ...(ethernet ? { ethernet } : {}), ip: header, body };
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
