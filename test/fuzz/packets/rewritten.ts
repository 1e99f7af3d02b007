// SPDX-License-Identifier: Apache-2.0
// What a program may change of a packet: said about bytes before and after, by sums over all of them. Each of
// these functions returns what is wrong, one line each. Pure.

import { checksumProblems } from '../../prog/packet/packet.ts';
import { readQuoted, TCP, UDP, type Wire } from './wire.ts';

/** From the first byte, up to and without the second. */
type Range = readonly [number, number];

/** Where addresses are, from the IP header on. */
const ADDRESSES = { IPv4: [12, 20], IPv6: [8, 40] } as const;
const TTL = { IPv4: 8, IPv6: 7 } as const;

/**
 * A translated packet. The sums that transports have are taken over what there is of them, which tells wrong
 * checksums and those of fragments too: a translation leaves each sum as it was.
 */
export function translationProblems(
  before: Buffer,
  after: Buffer,
  wire: Wire,
  hopsTaken: number,
): string[] {
  const { network, transport, place } = wire;
  const at = place === 'later' ? undefined : checksumAt(wire);
  return [
    ...sameBytes(before, after, [
      [0, hopsTaken ? 12 : 0],
      ...headerRanges(wire),
      ...(place === 'later' ? [] : ([[transport, transport + 4]] as const)),
      ...(at === undefined ? [] : ([[at, at + 2]] as const)),
    ]),
    ...hopProblems(before, after, wire, hopsTaken),
    ...headerSumProblems(before, after, wire, ''),
    ...(at === undefined ? [] : transportSumProblems(before, after, wire, at, '')),
    ...newProblems(before, after),
    ...(network + 20 > after.length ? ['no IP header is left'] : []),
  ];
}

/** A translated ICMP error. */
export function errorProblems(
  before: Buffer,
  after: Buffer,
  wire: Wire,
  hopsTaken: number,
): string[] {
  const quoted = readQuoted(before, wire);
  if (!quoted) return ['there is nothing quoted that can be read'];
  const { transport } = wire;
  const at = checksumAt(quoted);
  const isThere = at !== undefined && at + 2 <= packetEnd(before, wire);
  return [
    ...sameBytes(before, after, [
      [0, hopsTaken ? 12 : 0],
      ...headerRanges(wire),
      [transport + 2, transport + 4],
      ...headerRanges(quoted).filter(([from]) => from !== quoted.network + TTL[quoted.family]),
      [quoted.transport, quoted.transport + 4],
      ...(isThere ? ([[at, at + 2]] as const) : []),
    ]),
    ...hopProblems(before, after, wire, hopsTaken),
    ...headerSumProblems(before, after, wire, ''),
    ...headerSumProblems(before, after, quoted, 'quoted '),
    ...(isThere ? transportSumProblems(before, after, quoted, at, 'quoted ') : []),
    ...sumProblem(before, after, 'ICMP', (bytes) => [
      ...(wire.family === 'IPv6' ? [addressesOf(bytes, wire)] : []),
      bytes.subarray(transport),
    ]),
    ...newProblems(before, after),
  ];
}

/** Where the packet ends by its own word, or is cut. What is behind is padding. */
function packetEnd(bytes: Buffer, { family, network }: Wire): number {
  const end =
    family === 'IPv4' ? bytes.readUInt16BE(network + 2) : 40 + bytes.readUInt16BE(network + 4);
  return Math.min(bytes.length, network + end);
}

/** An answer to an echo request. */
export function echoProblems(before: Buffer, after: Buffer, wire: Wire): string[] {
  const { transport, family } = wire;
  const type = after[transport];
  return [
    ...sameBytes(before, after, [
      [0, 12],
      ...headerRanges(wire),
      [transport, transport + 1],
      [transport + 2, transport + 4],
    ]),
    ...(type === (family === 'IPv4' ? 0 : 129) ? [] : [`an answer of ICMP type ${type}`]),
    ...headerSumProblems(before, after, wire, ''),
    // The sum of both addresses is the same both ways.
    ...sumProblem(before, after, 'ICMP', (bytes) => [bytes.subarray(transport)]),
    ...newProblems(before, after),
  ];
}

function sameBytes(before: Buffer, after: Buffer, except: readonly Range[]): string[] {
  if (before.length !== after.length) {
    return [`${before.length} bytes became ${after.length}`];
  }
  return before.equals(after)
    ? []
    : [...before.keys()]
        .filter((i) => before[i] !== after[i] && !except.some(([from, to]) => i >= from && i < to))
        .map((i) => `byte ${i} changed from ${before[i]} to ${after[i]}`);
}

function headerRanges({ family, network }: Wire): Range[] {
  const [from, to] = ADDRESSES[family];
  const hops = network + TTL[family];
  return [
    [network + from, network + to],
    [hops, hops + 1],
    ...(family === 'IPv4' ? ([[network + 10, network + 12]] as const) : []),
  ];
}

function hopProblems(before: Buffer, after: Buffer, wire: Wire, taken: number): string[] {
  const at = wire.network + TTL[wire.family];
  const [had, has] = [before[at] as number, after[at] as number];
  return has === had - taken ? [] : [`TTL ${had} became ${has}, ${had - taken} is right`];
}

function headerSumProblems(before: Buffer, after: Buffer, wire: Wire, where: string): string[] {
  if (wire.family === 'IPv6') return [];
  const of = (bytes: Buffer) => [bytes.subarray(wire.network, wire.transport)];
  return sumProblem(before, after, `${where}IPv4 header`, of);
}

function transportSumProblems(
  before: Buffer,
  after: Buffer,
  wire: Wire,
  at: number,
  where: string,
): string[] {
  if (at + 2 > before.length) return [`${where}checksum is not there, and yet it was translated`];
  if (wire.tuple.protocol === UDP) {
    const [had, has] = [before.readUInt16BE(at), after.readUInt16BE(at)];
    if ((had === 0) !== (has === 0)) return [`${where}UDP checksum ${had} became ${has}`];
    if (had === 0) return [];
  }
  return sumProblem(before, after, `${where}transport`, (bytes) => [
    addressesOf(bytes, wire),
    bytes.subarray(wire.transport),
  ]);
}

/** Of the transport's checksum over addresses and ports. */
function checksumAt({ tuple, transport }: Wire): number | undefined {
  if (tuple.protocol === TCP) return transport + 16;
  return tuple.protocol === UDP ? transport + 6 : undefined;
}

function addressesOf(bytes: Buffer, { family, network }: Wire): Buffer {
  const [from, to] = ADDRESSES[family];
  return bytes.subarray(network + from, network + to);
}

function sumProblem(
  before: Buffer,
  after: Buffer,
  name: string,
  parts: (bytes: Buffer) => Buffer[],
): string[] {
  const [had, has] = [sumOf(parts(before)), sumOf(parts(after))];
  return had === has ? [] : [`the sum over the ${name} was ${had} and is ${has}`];
}

/** One's complement, where 0 and ffff are one. */
function sumOf(parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] as number) << 8) | (part[i + 1] ?? 0);
  }
  return sum % 0xffff;
}

/** What is wrong with a whole packet that was not before, and with nothing that it quotes as it came. */
export function newProblems(before: Buffer, after: Buffer): string[] {
  const known = checksumProblems(before);
  return checksumProblems(after)
    .filter(
      (problem) => ![problem, problem.replace('quoted ', '')].some((it) => known.includes(it)),
    )
    .map((problem) => `checksum: ${problem}`);
}
