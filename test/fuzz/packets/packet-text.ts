// SPDX-License-Identifier: Apache-2.0
// A frame in one line, for reports: who sends it to whom, what is odd about it. Pure.

import { checksumProblems, parse } from '../../prog/packet/packet.ts';
import { endText } from '../../prog/places.ts';
import { readFrame, readQuoted, SCTP, TCP, type Tuple, UDP, type Wire } from './wire.ts';

const NAMES = new Map([
  [TCP, 'TCP'],
  [UDP, 'UDP'],
  [SCTP, 'SCTP'],
]);

export function frameText(bytes: Buffer): string {
  const wire = readFrame(bytes);
  if (!wire) return `no packet, ${bytes.toString('hex')}`;
  const quoted = parse(bytes).body.protocol === 'ICMP' ? readQuoted(bytes, wire) : undefined;
  const problems = checksumProblems(bytes);
  return [
    wire.family,
    tupleText(wire.tuple),
    ...bodyWords(bytes, wire),
    ...(quoted ? [`about (${tupleText(quoted.tuple)})`] : []),
    ...(wire.place === 'whole' ? [] : [`${wire.place} fragment of ${wire.id}`]),
    `TTL ${wire.ttl}`,
    `${bytes.length} bytes`,
    ...(problems.length ? [`wrong: ${problems.join(', ')}`] : []),
  ].join(' ');
}

function tupleText({ protocol, source, destination }: Tuple): string {
  return `${NAMES.get(protocol) ?? `protocol ${protocol}`} ${endText(source)} > ${endText(destination)}`;
}

function bodyWords(bytes: Buffer, { tuple }: Wire): string[] {
  const { body } = parse(bytes);
  if (body.protocol === 'TCP') return [body.flags || 'no flags'];
  if (body.protocol === 'ICMP') return [body.kind];
  if (tuple.protocol === UDP && 'checksum' in body && body.checksum === 0) return ['no checksum'];
  return [];
}
