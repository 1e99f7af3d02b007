// SPDX-License-Identifier: Apache-2.0
// A description of any bytes: what a received packet is, said as `build` would be told. Never throws: what
// cannot be read is an opaque body. Short quotes in ICMP errors are read as far as they go.

import { build } from './build.ts';
import { macText, textOf } from './bytes.ts';
import {
  type Body,
  type Ethernet,
  type Extension,
  type IpHeader,
  type Packet,
  TCP_FLAGS,
} from './description.ts';
import { echoKindOf, errorKindOf, ICMP_PROTOCOL } from './icmp-kinds.ts';
import { type ExtensionLayer, ethernetLayer, type IpLayer, ipLayer } from './layers.ts';
import { ETHERTYPES, EXTENSIONS, PROTOCOLS } from './numbers.ts';

/** What every packet of the protocol has. */
const HEADER_SIZES = new Map<number, number>([
  [PROTOCOLS.TCP, 20],
  [PROTOCOLS.UDP, 8],
  [PROTOCOLS.SCTP, 12],
  [ICMP_PROTOCOL.IPv4, 8],
  [ICMP_PROTOCOL.IPv6, 8],
]);

/** @param start with what the bytes begin. */
export function parse(bytes: Uint8Array, start: 'ethernet' | 'ip' = 'ethernet'): Packet {
  const all = Buffer.from(bytes);
  if (start === 'ip') return parseIp(all) ?? { body: { protocol: 0, data: textOf(all) } };
  const layer = ethernetLayer(all);
  if (!layer) return { body: { protocol: 0, data: textOf(all) } };
  const ethernet: Ethernet = {
    destination: macText(all.subarray(0, 6)),
    source: macText(all.subarray(6, 12)),
    ...given({ tags: layer.tags.length ? layer.tags : undefined }),
  };
  const content = all.subarray(layer.end);
  const inside = Object.values(ETHERTYPES).includes(layer.type) ? parseIp(content) : undefined;
  return {
    ethernet,
    ...(inside ?? { body: { protocol: layer.type, data: textOf(content) } }),
  };
}

function parseIp(bytes: Buffer): Packet | undefined {
  const layer = ipLayer(bytes);
  if (!layer) return undefined;
  const packet = bytes.subarray(0, layer.packetEnd);
  if (layer.end > packet.length) return undefined;
  const trailer = textOf(bytes.subarray(layer.packetEnd));
  const isCut = packet.length < layer.packetEnd;
  const { data, isFilled } = fillHeader(layer, packet.subarray(layer.end), isCut);
  const isLaterFragment = (layer.fragment?.offset ?? 0) > 0;
  const body = isLaterFragment
    ? { protocol: layer.protocol, data: textOf(data) }
    : parseBody(layer, data);
  const header = layer.family === 'IPv4' ? parseIpv4(layer, packet) : parseIpv6(layer, packet);
  return {
    ip: withoutWhatIsRight(header, body, packet, layer),
    body,
    ...given({
      size: isFilled ? packet.length : undefined,
      trailer: trailer === '' ? undefined : trailer,
    }),
  };
}

/** Of a cut packet, zeros in place of what is missing of the transport's header. */
function fillHeader({ protocol }: IpLayer, data: Buffer, isCut: boolean) {
  const missing = isCut ? Math.max(0, (HEADER_SIZES.get(protocol) ?? 0) - data.length) : 0;
  const whole = Buffer.concat([data, Buffer.alloc(missing)]);
  if (protocol !== PROTOCOLS.TCP || !isCut) return { data: whole, isFilled: missing > 0 };
  if (data.length <= 12) whole[12] = 0x50;
  const options = Math.max(0, ((whole[12] as number) >> 4) * 4 - whole.length);
  return {
    data: Buffer.concat([whole, Buffer.alloc(options)]),
    isFilled: missing + options > 0,
  };
}

function parseIpv4(layer: IpLayer, bytes: Buffer): IpHeader {
  const options = textOf(bytes.subarray(20, layer.end));
  return {
    source: layer.source,
    destination: layer.destination,
    ...unless(64, { ttl: bytes[8] as number }),
    ...unless(0, { trafficClass: bytes[1] as number }),
    ...unless(0, { id: bytes.readUInt16BE(4) }),
    ...given({
      fragment: layer.fragment,
      dontFragment: (bytes[6] as number) & 0x40 ? (true as const) : undefined,
      options: options === '' ? undefined : options,
    }),
    length: layer.packetEnd,
    checksum: bytes.readUInt16BE(10),
  };
}

function parseIpv6(layer: IpLayer, bytes: Buffer): IpHeader {
  const at = layer.extensions.findIndex(({ protocol }) => protocol === PROTOCOLS.fragment);
  const fragmentHeader = layer.extensions[at];
  const before = at === -1 ? layer.extensions : layer.extensions.slice(0, at);
  const behind = at === -1 ? [] : layer.extensions.slice(at + 1);
  const read = (layers: readonly ExtensionLayer[]) =>
    layers.length ? layers.map((each) => parseExtension(bytes, each)) : undefined;
  return {
    source: layer.source,
    destination: layer.destination,
    ...unless(64, { ttl: bytes[7] as number }),
    ...unless(0, { trafficClass: (bytes.readUInt16BE(0) >> 4) & 0xff }),
    ...unless(0, { id: fragmentHeader ? bytes.readUInt32BE(fragmentHeader.start + 4) : 0 }),
    ...unless(0, { flowLabel: bytes.readUInt32BE(0) & 0xfffff }),
    ...given({
      fragment: layer.fragment,
      extensions: read(before),
      fragmentedExtensions: read(behind),
    }),
    length: layer.packetEnd - 40,
  };
}

function parseExtension(bytes: Buffer, { protocol, start, end }: ExtensionLayer): Extension {
  const [kind] = Object.entries(EXTENSIONS).find(([, number]) => number === protocol) ?? [];
  return { kind: kind as Extension['kind'], data: textOf(bytes.subarray(start + 2, end)) };
}

/** Leaves out length and checksum when `build` would make the same. */
function withoutWhatIsRight(
  header: IpHeader,
  body: Body,
  bytes: Buffer,
  { family }: IpLayer,
): IpHeader {
  const { length, checksum, ...rest } = header;
  const made = build({ ip: rest, body });
  const madeLength = made.readUInt16BE(family === 'IPv4' ? 2 : 4);
  const ip = { ...rest, ...(madeLength === length ? {} : given({ length })) };
  if (family === 'IPv6') return ip;
  const right = build({ ip, body }).readUInt16BE(10);
  return right === bytes.readUInt16BE(10) ? ip : { ...ip, ...given({ checksum }) };
}

function parseBody(layer: IpLayer, data: Buffer): Body {
  const opaque: Body = { protocol: layer.protocol, data: textOf(data) };
  if (data.length < (HEADER_SIZES.get(layer.protocol) ?? 0)) return opaque;
  switch (layer.protocol) {
    case PROTOCOLS.TCP:
      return parseTcp(layer, data) ?? opaque;
    case PROTOCOLS.UDP:
      return parseUdp(layer, data);
    case PROTOCOLS.SCTP:
      return parseSctp(layer, data);
    case ICMP_PROTOCOL[layer.family]:
      return parseIcmp(layer, data);
    default:
      return opaque;
  }
}

function parseTcp(layer: IpLayer, data: Buffer): Body | undefined {
  const end = ((data[12] as number) >> 4) * 4;
  if (end < 20 || end > data.length) return undefined;
  const bits = data[13] as number;
  return withoutRightChecksum(layer, 16, data, {
    protocol: 'TCP',
    source: data.readUInt16BE(0),
    destination: data.readUInt16BE(2),
    flags: TCP_FLAGS.filter((_, i) => bits & (1 << i)).join(' '),
    ...unless(0, { seq: data.readUInt32BE(4) }),
    ...unless(0, { ack: data.readUInt32BE(8) }),
    ...unless(0, { window: data.readUInt16BE(14) }),
    ...unless(0, { urgent: data.readUInt16BE(18) }),
    ...unless(0, { reserved: (data[12] as number) & 0xf }),
    ...unless('', { options: textOf(data.subarray(20, end)) }),
    ...unless('', { payload: textOf(data.subarray(end)) }),
    checksum: data.readUInt16BE(16),
  });
}

function parseUdp(layer: IpLayer, data: Buffer): Body {
  return withoutRightChecksum(layer, 6, data, {
    protocol: 'UDP',
    source: data.readUInt16BE(0),
    destination: data.readUInt16BE(2),
    ...unless('', { payload: textOf(data.subarray(8)) }),
    ...unless(data.length, { length: data.readUInt16BE(4) }),
    checksum: data.readUInt16BE(6),
  });
}

function parseSctp(layer: IpLayer, data: Buffer): Body {
  return withoutRightChecksum(layer, 8, data, {
    protocol: 'SCTP',
    source: data.readUInt16BE(0),
    destination: data.readUInt16BE(2),
    ...unless(0, { tag: data.readUInt32BE(4) }),
    ...unless('', { chunks: textOf(data.subarray(12)) }),
    checksum: data.readUInt32BE(8),
  });
}

function parseIcmp(layer: IpLayer, data: Buffer): Body {
  const [type = 0, code = 0] = data;
  const numbers = { type, code };
  const checksum = data.readUInt16BE(2);
  const echo = echoKindOf(layer.family, numbers);
  if (echo) {
    return withoutRightChecksum(layer, 2, data, {
      protocol: 'ICMP',
      kind: echo,
      id: data.readUInt16BE(4),
      sequence: data.readUInt16BE(6),
      ...unless('', { payload: textOf(data.subarray(8)) }),
      checksum,
    });
  }
  const error = errorKindOf(layer.family, numbers);
  const quoted = error && parseIp(data.subarray(8));
  if (error && quoted) {
    return withoutRightChecksum(layer, 2, data, {
      protocol: 'ICMP',
      kind: error,
      ...unless(0, { value: data.readUInt32BE(4) }),
      quoted,
      checksum,
    });
  }
  return withoutRightChecksum(layer, 2, data, {
    protocol: 'ICMP',
    kind: 'other',
    type,
    code,
    data: textOf(data.subarray(4)),
    checksum,
  });
}

/** Leaves out the checksum, which is at `at` of `data`, when `build` would make the same. */
function withoutRightChecksum(
  { source, destination, end }: IpLayer,
  at: number,
  data: Buffer,
  body: Exclude<Body, { readonly protocol: number }>,
): Body {
  const { checksum, ...rest } = body;
  const size = body.protocol === 'SCTP' ? 4 : 2;
  const made = build({ ip: { source, destination }, body: rest as Body });
  const headerSize = made.length - data.length;
  // A quote that is not as it would be built has no checksum of its own either.
  if (headerSize < 0 || headerSize > end) return body;
  const right = made.subarray(headerSize + at, headerSize + at + size);
  return right.equals(data.subarray(at, at + size)) ? (rest as Body) : body;
}

/** Leaves out what is undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** Leaves out the one field when it is the default. */
function unless<T extends object>(standard: number | string, field: T): Partial<T> {
  return Object.values(field)[0] === standard ? {} : field;
}
