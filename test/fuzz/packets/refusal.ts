// SPDX-License-Identifier: Apache-2.0
// What a refused packet is answered with, from RFC 9293 3.10.7.1, RFC 792 and RFC 4443 3.1. Pure.

import { parse } from '../../prog/packet/packet.ts';
import { newProblems } from './rewritten.ts';
import { endKey, FLAGS, ICMP, readFrame, readQuoted, TCP, type Wire } from './wire.ts';

const UNREACHABLE = { IPv4: [3, 3], IPv6: [1, 4] } as const;

/** @returns what is wrong with `after`, one line each. */
export function refusalProblems(before: Buffer, after: Buffer, wire: Wire): string[] {
  const answer = readFrame(after);
  if (!answer) return ['the answer is no packet'];
  const { tuple } = wire;
  const isTcp = tuple.protocol === TCP;
  const expected = {
    from: isTcp ? endKey(tuple.destination) : tuple.destination.address,
    to: isTcp ? endKey(tuple.source) : tuple.source.address,
    place: 'whole',
    ttl: 64,
    protocol: isTcp ? TCP : ICMP[wire.family],
  };
  const { source, destination, protocol } = answer.tuple;
  const found = {
    from: isTcp ? endKey(source) : source.address,
    to: isTcp ? endKey(destination) : destination.address,
    place: answer.place,
    ttl: answer.ttl,
    protocol,
  };
  const isBack =
    after.subarray(0, 6).equals(before.subarray(6, 12)) &&
    after.subarray(6, 12).equals(before.subarray(0, 6));
  return [
    ...(JSON.stringify(found) === JSON.stringify(expected)
      ? []
      : [`the answer is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`]),
    ...(isBack ? [] : ['it does not go back to where the packet came from']),
    ...newProblems(before, after),
    ...(isTcp ? resetProblems(before, after, wire) : unreachableProblems(before, after, answer)),
  ];
}

function resetProblems(before: Buffer, after: Buffer, wire: Wire): string[] {
  const { body } = parse(after);
  if (body.protocol !== 'TCP') return ['the answer is no TCP packet'];
  const { flags, seq = 0, ack = 0 } = body;
  const found = `${flags} seq ${seq} ack ${ack}`;
  const expected = expectedReset(before, wire);
  return found === expected ? [] : [`the reset is ${found}, not ${expected}`];
}

function expectedReset(before: Buffer, { family, network, transport, flags }: Wire): string {
  if (flags & FLAGS.ACK) return `RST seq ${before.readUInt32BE(transport + 8)} ack 0`;
  const end =
    family === 'IPv4'
      ? network + before.readUInt16BE(network + 2)
      : network + 40 + before.readUInt16BE(network + 4);
  const header = ((before[transport + 12] as number) >> 4) * 4;
  const length = Math.max(0, end - transport - header);
  const counted = (flags & FLAGS.SYN ? 1 : 0) + (flags & FLAGS.FIN ? 1 : 0);
  const ack = (before.readUInt32BE(transport + 4) + length + counted) % 2 ** 32;
  return `RST ACK seq 0 ack ${ack}`;
}

function unreachableProblems(before: Buffer, after: Buffer, answer: Wire): string[] {
  const [type, code] = UNREACHABLE[answer.family];
  const [isType, isCode] = [after[answer.transport], after[answer.transport + 1]];
  const quoted = readQuoted(after, answer);
  const begin = answer.transport + 8;
  const quote = after.subarray(begin);
  const asItCame = before.subarray(answer.network, answer.network + quote.length);
  return [
    ...(isType === type && isCode === code ? [] : [`ICMP type ${isType} code ${isCode}`]),
    ...(quoted && quote.equals(asItCame) ? [] : ['what it quotes is not what came']),
  ];
}
