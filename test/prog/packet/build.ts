// SPDX-License-Identifier: Apache-2.0
// Bytes of a described packet.

import { familyOf, type IpAddress } from '../../../agent/model/address.ts';
import { addressBytes, bytesOf, macBytes } from './bytes.ts';
import { crc32c, internetChecksum, pseudoHeader } from './checksum.ts';
import {
  type Body,
  type Ethernet,
  type Extension,
  type IcmpEcho,
  type IcmpError,
  type IcmpOther,
  type IpHeader,
  type Packet,
  type Sctp,
  TCP_FLAGS,
  type Tcp,
  type Udp,
} from './description.ts';
import { echoType, errorNumbers, ICMP_PROTOCOL } from './icmp-kinds.ts';
import { ETHERTYPES, EXTENSIONS, PROTOCOLS, VLAN_TAG } from './numbers.ts';

/** Both ends, as the checksums of transports cover them. */
type Ends = Pick<IpHeader, 'source' | 'destination'>;

const SIX_BYTES_OF_PADDING = '\x01\x04\0\0\0\0';

export function build({ ethernet, ip, body, size, trailer = '' }: Packet): Buffer {
  const content = ip ? buildIp(ip, body) : opaqueData(body);
  const type = ip ? ETHERTYPES[familyOf(ip.source)] : (body.protocol as number);
  return Buffer.concat([
    ethernet ? buildEthernet(ethernet, type) : Buffer.alloc(0),
    content.subarray(0, size),
    bytesOf(trailer),
  ]);
}

function buildEthernet({ destination, source, tags = [] }: Ethernet, type: number): Buffer {
  const types = [...tags.flatMap((tag) => [VLAN_TAG, tag]), type];
  return Buffer.concat([macBytes(destination), macBytes(source), ...types.map(u16)]);
}

function buildIp(ip: IpHeader, body: Body): Buffer {
  return familyOf(ip.source) === 'IPv4' ? buildIpv4(ip, body) : buildIpv6(ip, body);
}

function buildIpv4(ip: IpHeader, body: Body): Buffer {
  const options = filled(bytesOf(ip.options ?? ''), 4);
  const content = buildBody(ip, body);
  const header = Buffer.alloc(20 + options.length);
  const { offset = 0, more = false } = ip.fragment ?? {};
  header[0] = 0x40 | (header.length / 4);
  header[1] = ip.trafficClass ?? 0;
  header.writeUInt16BE(ip.length ?? header.length + content.length, 2);
  header.writeUInt16BE(ip.id ?? 0, 4);
  header.writeUInt16BE((ip.dontFragment ? 0x4000 : 0) | (more ? 0x2000 : 0) | (offset / 8), 6);
  header[8] = ip.ttl ?? 64;
  header[9] = protocolOf(ip, body);
  addressBytes(ip.source).copy(header, 12);
  addressBytes(ip.destination).copy(header, 16);
  options.copy(header, 20);
  header.writeUInt16BE(ip.checksum ?? internetChecksum(header), 10);
  return Buffer.concat([header, content]);
}

function buildIpv6(ip: IpHeader, body: Body): Buffer {
  const chain = [
    ...(ip.extensions ?? []).map(buildExtension),
    ...(ip.fragment ? [buildFragmentHeader(ip)] : []),
    ...(ip.fragmentedExtensions ?? []).map(buildExtension),
  ];
  const last = protocolOf(ip, body);
  for (const [i, { bytes }] of chain.entries()) bytes[0] = chain[i + 1]?.protocol ?? last;
  const content = Buffer.concat([...chain.map(({ bytes }) => bytes), buildBody(ip, body)]);
  const header = Buffer.alloc(40);
  header.writeUInt32BE(0x60000000 + ((ip.trafficClass ?? 0) << 20) + (ip.flowLabel ?? 0));
  header.writeUInt16BE(ip.length ?? content.length, 4);
  header[6] = chain[0]?.protocol ?? last;
  header[7] = ip.ttl ?? 64;
  addressBytes(ip.source).copy(header, 8);
  addressBytes(ip.destination).copy(header, 24);
  return Buffer.concat([header, content]);
}

function buildExtension({ kind, data = SIX_BYTES_OF_PADDING }: Extension) {
  const bytes = filled(Buffer.concat([Buffer.alloc(2), bytesOf(data)]), 8);
  bytes[1] = bytes.length / 8 - 1;
  return { protocol: EXTENSIONS[kind], bytes };
}

function buildFragmentHeader({ fragment, id = 0 }: IpHeader) {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE((fragment?.offset ?? 0) | (fragment?.more ? 1 : 0), 2);
  bytes.writeUInt32BE(id, 4);
  return { protocol: PROTOCOLS.fragment, bytes };
}

function protocolOf({ source }: Ends, { protocol }: Body): number {
  if (typeof protocol === 'number') return protocol;
  return protocol === 'ICMP' ? ICMP_PROTOCOL[familyOf(source)] : PROTOCOLS[protocol];
}

function buildBody(ends: Ends, body: Body): Buffer {
  switch (body.protocol) {
    case 'TCP':
      return buildTcp(ends, body);
    case 'UDP':
      return buildUdp(ends, body);
    case 'SCTP':
      return buildSctp(body);
    case 'ICMP':
      return buildIcmp(ends, body);
    default:
      return opaqueData(body);
  }
}

function buildTcp(ends: Ends, tcp: Tcp): Buffer {
  const options = filled(bytesOf(tcp.options ?? ''), 4);
  const header = Buffer.alloc(20);
  const flags = tcp.flags.split(' ').filter(Boolean);
  header.writeUInt16BE(tcp.source, 0);
  header.writeUInt16BE(tcp.destination, 2);
  header.writeUInt32BE(tcp.seq ?? 0, 4);
  header.writeUInt32BE(tcp.ack ?? 0, 8);
  header[12] = ((5 + options.length / 4) << 4) | (tcp.reserved ?? 0);
  header[13] = TCP_FLAGS.reduce((bits, flag, i) => bits | (flags.includes(flag) ? 1 << i : 0), 0);
  header.writeUInt16BE(tcp.window ?? 0, 14);
  header.writeUInt16BE(tcp.urgent ?? 0, 18);
  const bytes = Buffer.concat([header, options, bytesOf(tcp.payload ?? '')]);
  bytes.writeUInt16BE(tcp.checksum ?? transportChecksum(ends, PROTOCOLS.TCP, bytes), 16);
  return bytes;
}

function buildUdp(ends: Ends, udp: Udp): Buffer {
  const payload = bytesOf(udp.payload ?? '');
  const header = Buffer.alloc(8);
  header.writeUInt16BE(udp.source, 0);
  header.writeUInt16BE(udp.destination, 2);
  header.writeUInt16BE(udp.length ?? header.length + payload.length, 4);
  const bytes = Buffer.concat([header, payload]);
  // 0 would say that there is none (RFC 768).
  const right = () => transportChecksum(ends, PROTOCOLS.UDP, bytes) || 0xffff;
  bytes.writeUInt16BE(udp.checksum ?? right(), 6);
  return bytes;
}

function buildSctp(sctp: Sctp): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(sctp.source, 0);
  header.writeUInt16BE(sctp.destination, 2);
  header.writeUInt32BE(sctp.tag ?? 0, 4);
  const bytes = Buffer.concat([header, bytesOf(sctp.chunks ?? '')]);
  bytes.writeUInt32BE(sctp.checksum ?? crc32c(bytes), 8);
  return bytes;
}

function buildIcmp(ends: Ends, icmp: IcmpEcho | IcmpError | IcmpOther): Buffer {
  const { type, code, rest } = icmpContent(ends, icmp);
  const bytes = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
  const right = () =>
    familyOf(ends.source) === 'IPv4'
      ? internetChecksum(bytes)
      : transportChecksum(ends, ICMP_PROTOCOL.IPv6, bytes);
  bytes.writeUInt16BE(icmp.checksum ?? right(), 2);
  return bytes;
}

function icmpContent({ source }: Ends, icmp: IcmpEcho | IcmpError | IcmpOther) {
  const family = familyOf(source);
  switch (icmp.kind) {
    case 'echo request':
    case 'echo reply': {
      const rest = Buffer.concat([u16(icmp.id), u16(icmp.sequence), bytesOf(icmp.payload ?? '')]);
      return { type: echoType(icmp.kind, family), code: 0, rest };
    }
    case 'other':
      return { type: icmp.type, code: icmp.code, rest: bytesOf(icmp.data) };
    default: {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(icmp.value ?? 0);
      const rest = Buffer.concat([value, build(icmp.quoted)]);
      return { ...errorNumbers(icmp.kind, family), rest };
    }
  }
}

function transportChecksum(ends: Ends, protocol: number, bytes: Buffer): number {
  return internetChecksum(
    pseudoHeader(ends.source as IpAddress, ends.destination, protocol, bytes.length),
    bytes,
  );
}

function opaqueData(body: Body): Buffer {
  return bytesOf('data' in body ? body.data : '');
}

/** With zeros, up to a multiple of `unit`. */
function filled(bytes: Buffer, unit: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((unit - (bytes.length % unit)) % unit)]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
