// SPDX-License-Identifier: Apache-2.0
// Where things are around the node of these tests, by names that hold for both families: rows say
// `client:40000 > node:30080` and run as IPv4 and as IPv6. Pure.

import { formatEndpoint, type IpAddress, type IpFamily } from '../../agent/model/address.ts';
import { address } from '../helpers/objects.ts';
import { twinOf } from '../netns/dual-stack.ts';
import type {
  Extension,
  IcmpErrorKind,
  IpHeader,
  Packet,
  Sctp,
  Tcp,
  Udp,
} from './packet/packet.ts';

/** Of IPv4; each has its twin in IPv6. */
const IPV4 = {
  /** Outside the cluster, beyond the router. */
  client: '203.0.113.7',
  otherClient: '203.0.113.8',
  router: '198.51.100.1',
  node: '198.51.100.10',
  /** Behind the narrow device. */
  narrowNode: '198.51.101.10',
  otherNode: '198.51.100.20',
  clusterIP: '10.96.0.10',
  /** Of a Service that is another one's client's. */
  otherClusterIP: '10.96.0.11',
  unallocated: '10.96.0.99',
  loadBalancer: '192.0.2.80',
  external: '192.0.2.90',
  localPod: '10.244.1.2',
  secondLocalPod: '10.244.1.3',
  /** On other nodes. */
  remotePod: '10.244.2.2',
  secondRemotePod: '10.244.2.3',
  /** Beyond a device with a smaller MTU. */
  narrowPod: '10.244.3.2',
  /** There is a route, that says so. */
  unreachablePod: '10.244.9.2',
  /** What comes in by a tunnel: see {@link twinOfTunnel}. */
  tunnelClient: '8.0.0.7',
  tunnelLocalPod: '8.0.1.2',
  tunnelRemotePod: '8.0.2.2',
  /** Of no Service, beyond the router. */
  stranger: '203.0.113.99',
} as const;

export type Place = keyof typeof IPV4;

/** `client:40000 > node:30080`, or without ports. */
export type Way = `${Place}${string} > ${Place}${string}`;

export const SERVICE_CIDRS = ['10.96.0.0/16', 'fd00:10:96::/64'] as const;
export const CLUSTER_CIDRS = ['10.244.0.0/16', 'fd00:10:244::/48'] as const;

export const FAMILIES: readonly IpFamily[] = ['IPv4', 'IPv6'];

export function addressOf(place: Place, family: IpFamily): IpAddress {
  const ipv4 = IPV4[place];
  if (family === 'IPv4') return address(ipv4);
  return address(place.startsWith('tunnel') ? twinOfTunnel(ipv4) : twinOf(ipv4));
}

/**
 * A test run reads an Ethernet header off the first 14 bytes, whatever the device: of a packet that begins with
 * its IP header, the source address lies where the kernel looks for the Ethernet type.
 */
function twinOfTunnel(ipv4: string): string {
  const [, , c, d] = ipv4.split('.');
  return `fd00:8:86dd:${c}::${d}`;
}

const NAMES = new Map<string, string>(
  Object.keys(IPV4).flatMap((name) =>
    FAMILIES.map((family) => [addressOf(name as Place, family), name] as const),
  ),
);

/** `client:40000`; an address that is no place's stays as it is. */
export function endText({ address, port }: { address: IpAddress; port: number }): string {
  const name = NAMES.get(address);
  return name === undefined ? formatEndpoint(address, port) : `${name}:${port}`;
}

type More<T> = Partial<Omit<T, 'protocol' | 'source' | 'destination'>>;
type MoreIp = Partial<Omit<IpHeader, 'source' | 'destination'>>;

/** What packets say of themselves, in one family. */
export class Packets {
  readonly family: IpFamily;

  constructor(family: IpFamily) {
    this.family = family;
  }

  /** Bound, so that it can be taken out. */
  readonly at = (place: Place): IpAddress => addressOf(place, this.family);

  tcp(way: Way, flags: string, more: More<Tcp> = {}, ip: MoreIp = {}): Packet {
    const { header, ports } = this.#ends(way, ip);
    return { ip: header, body: { protocol: 'TCP', ...ports, flags, ...more } };
  }

  udp(way: Way, more: More<Udp> = {}, ip: MoreIp = {}): Packet {
    const { header, ports } = this.#ends(way, ip);
    return { ip: header, body: { protocol: 'UDP', ...ports, payload: 'a datagram', ...more } };
  }

  sctp(way: Way, more: More<Sctp> = {}, ip: MoreIp = {}): Packet {
    const { header, ports } = this.#ends(way, ip);
    // INIT with a tag, a window, streams and a TSN (RFC 9260 3.3.2).
    const chunks = '\x01\0\0\x14abcd\0\x01\0\0\0\x0a\0\x0a\0\0\0\x01';
    return { ip: header, body: { protocol: 'SCTP', ...ports, chunks, ...more } };
  }

  echo(
    way: Way,
    kind: 'echo request' | 'echo reply' = 'echo request',
    more: { payload?: string; checksum?: number } = {},
    ip: MoreIp = {},
  ): Packet {
    const { header } = this.#ends(way, ip);
    const body = { protocol: 'ICMP', kind, id: 7, sequence: 1, payload: 'ping', ...more } as const;
    return { ip: header, body };
  }

  error(
    way: Way,
    kind: IcmpErrorKind,
    quoted: Packet,
    more: { value?: number; checksum?: number } = {},
    ip: MoreIp = {},
  ): Packet {
    const { header } = this.#ends(way, ip);
    return { ip: header, body: { protocol: 'ICMP', kind, quoted, ...more } };
  }

  opaque(way: Way, protocol: number, data: string, ip: MoreIp = {}): Packet {
    return { ip: this.#ends(way, ip).header, body: { protocol, data } };
  }

  /** What makes the IP header longer: options of IPv4, extension headers of IPv6. */
  get longHeader(): MoreIp {
    const extensions: Extension[] = [
      { kind: 'hop-by-hop' },
      { kind: 'routing', data: '\x04\0\0\0\0\0' },
      { kind: 'destination options', data: '\x01\x0c\0\0\0\0\0\0\0\0\0\0\0\0' },
    ];
    return this.family === 'IPv4' ? { options: '\x94\x04\0\0\x01\x01\x01\0' } : { extensions };
  }

  #ends(way: Way, ip: MoreIp) {
    const [from = '', to = ''] = way.split(' > ');
    const [source, sourcePort = '0'] = from.split(':');
    const [destination, destinationPort = '0'] = to.split(':');
    const header: IpHeader = {
      source: this.at(source as Place),
      destination: this.at(destination as Place),
      ...ip,
    };
    return { header, ports: { source: Number(sourcePort), destination: Number(destinationPort) } };
  }
}
